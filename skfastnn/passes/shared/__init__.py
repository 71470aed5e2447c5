"""Lists of pairs, rows, products, boxes, checks of shapes: what the other rooms of the passes take."""
