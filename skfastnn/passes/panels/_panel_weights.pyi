from typing import Any

class PanelWeights:
    n_panels: int
    n_features: int
    n_neurons: int
    ld_out: int
    itemsize: int
    n_start: int
    a: float
    b: float

    def __init__(
        self,
        base: Any,
        first: Any,
        second: Any,
        factors: Any,
        order: Any,
        c_state: Any,
        V: Any,
        start_V: Any,
    ) -> None: ...
