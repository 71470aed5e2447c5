"""The engine "quantized": bounds from products of bytes."""
