"""The page with the verdicts, doc/claims.md and its plots, from what results/claims.json keeps."""

from pathlib import Path

from benchmarks.claims.record import FROM, load

DOC = Path(__file__).resolve().parents[2] / "doc"
HEAD = """\
<!-- written by python -m benchmarks --report claims from benchmarks/results/claims.json -->

# Twenty claims of five papers

What the five [papers](papers/index.md) behind skfastnn (P1 to P5) claim, and what came out when it was measured at
sizes that a laptop bears. A claim has a section: the sentence, how it was measured, a table, and a verdict. In the
tables a row is a size, and everywhere m is the number of neurons, n of rows, d of features, k of the neurons that
fire on a row, and b the threshold. Operations are counted by the structures themselves, not timed, so that the
numbers are the same on every machine up to rounding.

O(f) means: at most in proportion to f. o(f): less and less in proportion to f, the larger everything gets. The
*exponent* of m is e where a count grows like m^e. SETH, the strong exponential time hypothesis, is the conjecture
that to see whether a formula can be true takes about as long as trying every assignment.

"Holds" means: at the sizes on this page. The theorems are about sizes beyond any use (m of the order of n to a high
power), and a bound that is far too large holds easily; each verdict says how far. Most data are random, from one
seed.

The rules that turn numbers into verdicts stand in `benchmarks/claims/`; three were changed after a first look at the
numbers. Claim 14 counts the papers' descent apart from Adam, together with which it did not hold; the exponent of claim
17 is that of the last doubling, since one over smaller n, 1.58, came from the fixed cost of a sample; claim 19 asks for
nine hits in ten at the published threshold, where any threshold had counted.

```sh
python -m benchmarks --case claims
```

measures all of it again, on one thread in some minutes, and `--report claims` writes this page. skfastnn {skfastnn},
Python {python}, NumPy {numpy}, SciPy {scipy}, scikit-learn {scikit-learn}.

| | paper | claim | verdict |
|---|---|---|---|
"""


def _cell(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or (value == round(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    if abs(value) >= 1e6 or abs(value) < 1e-3:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _table(columns, rows):
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join(lines)


def _draw(claim, path):
    """Draw the columns that the claim names, a line for each value of `by`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plot, at = claim.plot, claim.columns.index
    figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
    by = plot.get("by")
    groups = dict.fromkeys(row[at(by)] for row in claim.rows) if by else [None]
    for name, style in zip(plot["y"], ("o-", "s--", "^:", "d-."), strict=False):
        for k, group in enumerate(groups):
            rows = [row for row in claim.rows if group is None or row[at(by)] == group]
            # a group with twice the same x has more to it than this plot shows: its first run through x
            xs = [row[at(plot["x"])] for row in rows]
            n = next((i for i in range(1, len(xs)) if xs[i] <= xs[i - 1]), len(xs))
            label = name if group is None else f"{name}, {by} {_cell(group)}"
            axes.plot(
                xs[:n],
                [row[at(name)] for row in rows[:n]],
                style,
                color=f"C{k if by else plot['y'].index(name)}",
                label=label,
                markersize=4,
            )
    if "x" in plot["log"]:
        axes.set_xscale("log", base=2)
    if "y" in plot["log"]:
        axes.set_yscale("log")
    axes.set(xlabel=plot["x"], title=plot.get("title", ""))
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=90, metadata={"Software": None})
    plt.close(figure)


def verdict(claim):
    """Return the verdict as the page words it, and the sentence that goes with it."""
    if claim.verdict == FROM:
        part, _, rest = claim.conclusion.partition(": ")
        return f"holds {part}", rest
    return claim.verdict, claim.conclusion


def page(versions, claims):
    """Return the text of the page."""
    text = HEAD.format(**versions)
    sections = []
    for claim in claims:
        short, sentence = verdict(claim)
        text += f"| [{claim.number}](#claim-{claim.number}) | {claim.papers} | {claim.statement} | {short} |\n"
        parts = [
            f"## Claim {claim.number}",
            f"**{claim.papers}.** {claim.statement}",
            f"*Measured.* {claim.how}",
            _table(claim.columns, claim.rows),
        ]
        if claim.plot:
            parts.append(f"![claim {claim.number}, the table drawn](claims/{claim.number:02}.png)")
        parts.append(f"**Verdict: {short}.** {sentence[:1].upper()}{sentence[1:]}")
        sections.append("\n\n".join(parts))
    return text + "\n" + "\n\n".join(sections) + "\n"


def write_page():
    """Write doc/claims.md and doc/claims/NUMBER.png."""
    versions, claims = load()
    (DOC / "claims").mkdir(exist_ok=True)
    for claim in claims:
        if claim.plot:
            _draw(claim, DOC / "claims" / f"{claim.number:02}.png")
    (DOC / "claims.md").write_text(page(versions, claims), encoding="utf-8")
