"""The hot loops: given candidates, verify them, run forward and backward, and update.

Nothing here decides who may fire (that is `skfastnn.search`) or when to stop (`skfastnn._fitting`).
"""
