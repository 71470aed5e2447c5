"""A network that goes on: what it starts from was drawn in another call."""

from skfastnn.networks._network import Network


class KnownNetwork(Network):
    """Network whose draws are known; they are read, and never written to.

    Parameters
    ----------
    start : ndarray of shape (n_drawn, ld)
        What a network of the same seed has drawn for its hidden layer; of other sizes or another dtype it is of no use.
    coordinates : Coordinates
    arguments
        As in `Network`.
    """

    def __init__(self, start, coordinates, *arguments):
        self.known = start
        super().__init__(coordinates, *arguments)

    def _draw_hidden(self, rng):
        if self.known.shape == self.start_shape and self.known.dtype == self.dtype:
            self.start = self.known
            self._allocate_movement()
        else:
            super()._draw_hidden(rng)
