"""The engine "heavy_pairs": candidates from signs, approximate."""
