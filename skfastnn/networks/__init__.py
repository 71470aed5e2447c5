"""The arrays of a network, in each of its layouts, and the rows as they take them.

`_network` one dense hidden layer; `_panel_network` the same for rows of few stored entries; `_row_space` and
`_varying_features` on fewer coordinates than the data have; `_deep_network` several layers; `_training_rows` the data.
"""
