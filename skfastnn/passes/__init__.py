"""The hot loops: given candidates, verify them, run forward and backward, and update.

`dense` and `panels` hold those of the two layouts of weights, `prediction` those over fitted weights, `shared` what
several of them take: lists of pairs, rows, products, boxes, checks of shapes; `kernels` their C headers.

Nothing here decides who may fire (that is `skfastnn.search`) or when to stop (`skfastnn._fitting`).
"""
