"""What the displays share."""


class Display:
    """Has `ax_` and `figure_` once it is drawn."""

    def _begin(self, ax, name):
        """Set the axes to draw on, new ones if there are none, and return the name to show."""
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(f"{type(self).__name__} draws with matplotlib: pip install matplotlib") from error
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        if name is not None:
            return name
        return "network" if self.name is None else self.name


def as_percent(axis):
    """Label an axis of shares in per cent."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(xmax=1.0))


def start_at_zero(ax):
    """Let the vertical axis begin at zero, and grow with what is drawn later."""
    ax.autoscale(axis="y")
    ax.set_ylim(bottom=0, auto=True)
