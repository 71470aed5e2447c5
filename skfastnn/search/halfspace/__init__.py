"""The engine "halfspace": points in few dimensions, in boxes."""
