"""What an estimator says when it is stored, by pickle or others, and what is read back.

A state carries the version that wrote it and the number of its format: a later version can read it, and one that
cannot says why.
"""

from importlib.metadata import version

# Goes up with a change that an earlier version would misread; what reads the formats before it stays.
FORMAT = 1


class StoredMixin:
    """State of an estimator with its format."""

    def __getstate__(self):
        state = super().__getstate__()
        if "_drawn" in state:
            state = {**state, "_drawn": None}  # it can be drawn again
        return {**state, "_skfastnn_format": FORMAT, "_skfastnn_version": version("skfastnn")}

    def __setstate__(self, state):
        name = type(self).__name__
        if not isinstance(state, dict) or not isinstance(state.get("_skfastnn_format"), int):
            raise ValueError(f"This is not what skfastnn stores of a {name}: its state names no format.")
        state = dict(state)
        number, by = state.pop("_skfastnn_format"), state.pop("_skfastnn_version", "of another version")
        if not 1 <= number <= FORMAT:
            raise ValueError(
                f"This {name} was stored by skfastnn {by} in format {number}; skfastnn {version('skfastnn')} reads "
                f"formats up to {FORMAT}: use the version that stored it, or a later one."
            )
        # a version before may not have had all parameters
        super().__setstate__({**type(self)().get_params(deep=False), **state})
