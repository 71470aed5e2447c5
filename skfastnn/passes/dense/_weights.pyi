from typing import Any

class DenseWeights:
    n_neurons: int
    ld: int
    ld_out: int
    itemsize: int
    pair_shift: int

    def __init__(
        self,
        start: Any,
        displacement: Any,
        anchor: Any,
        anchored: Any,
        pair_shift: int,
        c_state: Any,
        V: Any,
        start_V: Any,
    ) -> None: ...
