"""Turns records into the printed tables: a line for each method and place."""

# of the spread: a figure measured once has none
SPREAD = "min-max"


def report(case, made_on, records):
    """Return what was measured, on what, with which versions, and the tables."""
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in made_on["versions"].items())
    head = [
        f"{case.name}: {case.summary}",
        f"{made_on['threads']} threads of {made_on['cpus']} CPUs ({made_on['cpu']}), commit {made_on['commit']}, "
        f"{made_on['time']}; {versions}",
    ]
    return "\n".join([*head, *tables(records)])


def tables(records):
    """Return the lines of the tables, one for each set of places and first figure."""
    rows = {}
    for record in records:
        row = rows.setdefault((record.method, record.dtype, str(record.at)), [])
        row.append(record)
    groups = {}
    for row in rows.values():
        groups.setdefault((tuple(row[0].at), row[0].figure), []).append(row)
    lines = []
    for group in groups.values():
        lines += ["", *align(_cells(group))]
    return lines


def _cells(rows):
    """Return the cells of one table, its head first."""
    keys = list(rows[0][0].at)
    figures = list(dict.fromkeys(record.figure for row in rows for record in row))
    qualities = list(dict.fromkeys(name for row in rows for name in row[0].quality))
    spread = any(len(row[0].values) > 1 for row in rows)
    methods = {row[0].method for row in rows}
    compared = not figures[0].startswith("exponent") and "skfastnn" in methods and len(methods) > 1
    head = ["method", "dtype", *keys, _title(rows[0][0])]
    head += [SPREAD] * spread + ["ratio"] * compared
    head += [_title(record) for record in _firsts(rows, figures[1:])] + qualities
    return [head, *(_row(row, rows, keys, figures, qualities, spread, compared) for row in rows)]


def _firsts(rows, figures):
    return [next(r for row in rows for r in row if r.figure == figure) for figure in figures]


def _title(record):
    return f"{record.figure} [{record.unit}]" if record.unit not in ("", "1") else record.figure


def _row(row, rows, keys, figures, qualities, spread, compared):
    by_figure = {record.figure: record for record in row}
    first = by_figure.get(figures[0])
    cells = [row[0].method, row[0].dtype, *(text(row[0].at[key]) for key in keys), text(first and first.value)]
    if spread:
        several = first is not None and len(first.values) > 1
        cells.append(f"{text(min(first.values))}-{text(max(first.values))}" if several else "-")
    if compared:
        base = reference(row[0], [other[0] for other in rows])
        same = first is not None and base is not None and base.figure == first.figure and base.value
        cells.append(f"{first.value / base.value:.2f}" if same else "-")
    cells += [text(by_figure[figure].value if figure in by_figure else None) for figure in figures[1:]]
    return cells + [text(row[0].quality.get(name)) for name in qualities]


def reference(record, others):
    """Return the record of skfastnn that one is compared with: at the same place, else the first."""
    ours = [other for other in others if other.method == "skfastnn"]
    same = [other for other in ours if other.at == record.at]
    return next(iter(same + ours), None)


def text(value):
    """Return a value as it is printed: numbers to four digits."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"


def align(rows):
    """Return rows of cells as lines whose columns are as wide as they must be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            # names to the left, numbers to the right
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
