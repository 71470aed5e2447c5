"""Draw the pictures of README, how_it_works.md and design.md: ``python doc/draw_pictures.py``; needs matplotlib."""

import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch, Rectangle

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.defaults import read_records
from benchmarks.standings import select

PICTURES = Path(__file__).parent / "pictures"
LOOKED, FIRES, QUIET = "#f4a259", "#bc4b51", "#d9dde2"
B = 1.0


def _save(figure, name, dpi=110):
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / f"{name}.png", dpi=dpi, metadata={"Software": None})
    plt.close(figure)


def what_fires():
    """A layer as a table of rows and neurons: what fires at threshold 0 and at 1.5."""
    rng = np.random.default_rng(1)
    Z = rng.standard_normal((12, 40))
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.2), layout="constrained")
    for ax, b in zip(axes, (0.0, 1.5), strict=True):
        ax.pcolormesh(Z > b, cmap=matplotlib.colors.ListedColormap([QUIET, FIRES]), edgecolors="white", linewidth=0.5)
        ax.set(title=f"threshold {b:g}: {np.mean(Z > b):.0%} of the pairs fire", xlabel="neurons", ylabel="rows")
        ax.set(xticks=[], yticks=[], aspect="equal")
        ax.title.set_fontsize(10)
    _save(figure, "what_fires")


def tree():
    """A tree of maxima over eight neurons, and the nodes that a query visits."""
    leaves = np.array([0.2, -0.9, 1.4, 0.6, -1.3, -0.2, 0.4, 1.1])
    levels = [leaves]
    while len(levels[-1]) > 1:
        levels.append(levels[-1].reshape(-1, 2).max(axis=1))
    levels = levels[::-1]
    figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
    for depth, values in enumerate(levels):
        for k, value in enumerate(values):
            x, y = (k + 0.5) * 8 / len(values), -depth
            visited = depth == 0 or levels[depth - 1][k // 2] > B
            color = FIRES if visited and value > B else LOOKED if visited else QUIET
            if depth:
                parent = (k // 2 + 0.5) * 8 / len(levels[depth - 1])
                ax.plot([x, parent], [y, y + 1], color="#8a9099", lw=1.6 if visited else 0.8, zorder=1)
            ax.scatter([x], [y], s=900, color=color, zorder=2)
            ax.text(
                x, y, f"{value:.1f}", ha="center", va="center", zorder=3, color="white" if color == FIRES else "black"
            )
    for k in range(8):
        ax.text(k + 0.5, -3.55, f"neuron {k + 1}", ha="center", fontsize=8)
    ax.set(xlim=(0, 8), ylim=(-3.8, 0.5))
    ax.axis("off")
    ax.set_title("above 1.0 (red): neurons 3 and 8. Orange nodes were looked at, grey ones were not", fontsize=10)
    _save(figure, "tree")


def bound():
    """What is known of a pair as its neuron moves away from the reference."""
    rng = np.random.default_rng(3)
    steps = np.arange(60)
    figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
    for start, color, label in (
        (-0.2, "#5b8e7d", "excluded: the band stays below"),
        (0.55, LOOKED, "a candidate from here on"),
    ):
        drift = 0.55 * np.sqrt(steps / steps[-1])
        path = start + np.cumsum(rng.normal(0.002, 0.02, steps.size))
        path = np.clip(path, start - drift, start + drift)
        ax.fill_between(steps, start - drift, start + drift, color=color, alpha=0.25, lw=0)
        ax.plot(steps, path, color=color)
        ax.plot([0, steps[-1]], [start, start], ":", color=color)
        reached = np.flatnonzero(start + drift > B)
        at = reached[0] if reached.size else steps[-1]
        place = (20, 1.22) if reached.size else (25, -0.68)
        arrow = {"arrowstyle": "->", "color": "#555555"}
        ax.annotate(label, (at, start + drift[at]), place, fontsize=9, arrowprops=arrow)
    ax.axhline(B, color=FIRES, lw=1)
    ax.text(0.5, B + 0.04, "threshold: above it, the neuron fires", fontsize=9, color=FIRES)
    ax.set(xlabel="training steps since the reference", ylabel="pre-activation", ylim=(-0.9, 1.5), xlim=(0, 59))
    _save(figure, "bound")


def half_space():
    """Points in boxes, and a plane: boxes that it cuts are looked into."""
    rng = np.random.default_rng(5)
    points = rng.standard_normal((256, 2))
    normal, offset = np.array([0.8, 0.6]), 0.7
    figure, ax = plt.subplots(figsize=(5, 4.2), layout="constrained")
    _boxes(ax, points, normal, offset, 0)
    x = np.array([-3.2, 3.2])
    ax.plot(x, (offset - normal[0] * x) / normal[1], color="black", lw=1.2)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal")
    ax.set_title("red: reported as a whole; orange: looked into; grey: left out", fontsize=9)
    _save(figure, "half_space")


def _boxes(ax, points, normal, offset, axis):
    """Split along the axes in turn, down to sixteen points, and draw the boxes."""
    if len(points) > 16:
        order, half = np.argsort(points[:, axis]), len(points) // 2
        for part in (order[:half], order[half:]):
            _boxes(ax, points[part], normal, offset, 1 - axis)
        return
    low, high = points.min(axis=0), points.max(axis=0)
    reach = [np.where(normal > 0, high, low) @ normal, np.where(normal > 0, low, high) @ normal]
    color = QUIET if reach[0] <= offset else FIRES if reach[1] > offset else LOOKED
    ax.add_patch(Rectangle(low, *(high - low), facecolor=color, alpha=0.35, edgecolor=color))
    ax.scatter(*points.T, s=6, color=np.where(points @ normal > offset, FIRES, "#8a9099"))


def data_flow():
    """From rows to an ordinary network: what is chosen once, what goes round with every batch, what is handed over."""
    boxes = {
        "choose": (0, 1, "once: inputs, ridge,\nstep, epochs"),
        "rows": (1, 1, "of a batch: centred,\none scale"),
        "search": (2, 1, "candidates: all that\nfire, and some more"),
        "forward": (3, 1, "each computed exactly;\nwhat fires is listed"),
        "loss": (3, 0, "output, and\nits error"),
        "solver": (2, 0, "moves neurons\nthat fired"),
        "export": (1, 0, "in the end: coefs_,\nintercepts_"),
    }
    arrows = [(0, 1, 1, 1), (1, 1, 2, 1), (2, 1, 3, 1), (3, 1, 3, 0), (3, 0, 2, 0), (2, 0, 2, 1), (2, 0, 1, 0)]
    width, height = 1.5, 0.8
    figure, ax = plt.subplots(figsize=(7.6, 3.0), layout="constrained")
    for title, (column, row, text) in boxes.items():
        x, y, once = 2 * column, 1.6 * row, title in ("choose", "export")
        face = "#ffffff" if once else "#eef1f4"
        ax.add_patch(
            FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0.1", facecolor=face, edgecolor="#8a9099")
        )
        ax.text(x + width / 2, y + 0.6, title, ha="center", fontweight="bold", fontsize=12)
        ax.text(x + width / 2, y + 0.18, text, ha="center", va="center", fontsize=8.8)
    for from_column, from_row, to_column, to_row in arrows:
        right, up = to_column - from_column, to_row - from_row
        x, y = 2 * from_column + width / 2, 1.6 * from_row + height / 2
        start = (x + right * (width / 2 + 0.12), y + up * (height / 2 + 0.12))
        end = (x + right * (2 - width / 2 - 0.12), y + up * (1.6 - height / 2 - 0.12))
        ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "lw": 1.4})
    ax.text(4.68, 1.2, "next batch: how far\neach neuron has moved", ha="right", va="center", fontsize=8.8)
    ax.set(xlim=(-0.2, 7.7), ylim=(-0.2, 2.6))
    ax.axis("off")
    _save(figure, "data_flow", dpi=140)


def beside_peers():
    """How much more accurate the defaults are than those of others, a dot for each data set; from what is kept."""
    peers = {
        "forest": "random forest,\n500 trees",
        "MLP": "MLPClassifier",
        "SVM": "SVC",
        "LightGBM": "LightGBM",
        "HGB": "histogram\nboosting",
    }
    kept = select(read_records().values(), ["ours", *peers])
    # those of the README's first table: the sets in four folds, which all of these finished
    sets = [s for s in kept["ours"] if s[1] == "classification" and all(s in kept[name] for name in peers)]
    accuracy = {
        name: np.array([np.mean([r["accuracy"] for r in kept[name][s].values()]) for s in sets]) for name in kept
    }
    rng = np.random.default_rng(0)
    figure, ax = plt.subplots(figsize=(8, 3.4), layout="constrained")
    for k, (name, label) in enumerate(peers.items()):
        # means of the same folds in another order differ in the last digit
        gain = np.round(100 * (accuracy["ours"] - accuracy[name]), 8)
        color = np.where(gain > 0, FIRES, np.where(gain < 0, "#5b7f95", "#8a9099"))
        ax.scatter(
            np.clip(gain, -20, 20), -k + rng.uniform(-0.25, 0.25, gain.size), s=26, color=color, alpha=0.75, lw=0
        )
        ax.text(-20.8, -k, label, ha="right", va="center", fontsize=10)
        more, less = int((gain > 0).sum()), int((gain < 0).sum())
        ax.text(20.8, -k, f"{more} better, {less} worse", ha="left", va="center", fontsize=10)
    ax.axvline(0, color="#444444", lw=1)
    ax.text(0.4, 0.5, "skfastnn more accurate", ha="left", color=FIRES, fontsize=10)
    ax.text(-0.4, 0.5, "less accurate", ha="right", color="#5b7f95", fontsize=10)
    ax.set(xlim=(-20.4, 20.4), ylim=(-4.5, 0.9), yticks=[], xticks=range(-20, 21, 10))
    ax.set_xticklabels(["-20", "-10", "0", "+10", "+20 or more"])
    ax.set_xlabel("difference of accuracy on held-out rows, in points")
    ax.set_title(f"skfastnn beside others, nothing set: a dot is one of {len(sets)} data sets", fontsize=11)
    ax.spines[["top", "left", "right"]].set_visible(False)
    _save(figure, "beside_peers", dpi=95)


if __name__ == "__main__":
    for draw in (what_fires, tree, bound, half_space, data_flow, beside_peers):
        draw()
