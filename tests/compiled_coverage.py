"""Which lines of the kernels and of the compiled modules have run: python tests/compiled_coverage.py BUILD ...

For builds with `-Db_coverage=true`, of which the tests have run; a line counts if one of them ran it. Reads what gcov
says of each object. Cython puts some of what it writes itself, on the way into a function and out of it, to the lines
around it: of a `.pyx` the share is a little low, of a header (`.h`) it is exact.
"""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def counts(builds):
    """Return, for each source, how often each of its lines ran."""
    ran = defaultdict(Counter)
    for build in (Path(name).resolve() for name in builds):
        for data in sorted(build.rglob("*.gcda")):
            command = ["gcov", "--json-format", "--stdout", str(data)]
            told = json.loads(subprocess.run(command, cwd=build, check=True, capture_output=True).stdout)
            for file in told["files"]:
                # headers are named from the build, modules from the checkout
                for path in ((base / file["file"]).resolve() for base in (build, CHECKOUT)):
                    if path.suffix in (".h", ".pyx") and path.is_file() and CHECKOUT / "skfastnn" in path.parents:
                        for line in file["lines"]:
                            ran[path][line["line_number"]] += line["count"]
    return ran


def report(kind, ran):
    n_lines = n_ran = 0
    for path in sorted(ran):
        length = len(path.read_text().splitlines())
        lines = {number: count for number, count in ran[path].items() if number <= length}
        missed = sorted(number for number, count in lines.items() if count == 0)
        n_lines, n_ran = n_lines + len(lines), n_ran + len(lines) - len(missed)
        without = f"without {', '.join(map(str, missed))}" if missed else ""
        print(f"{path.relative_to(CHECKOUT)}: {1 - len(missed) / len(lines):.1%}", without)
    print(f"{kind}: {n_ran / max(n_lines, 1):.1%} of {n_lines} lines\n")


if __name__ == "__main__":
    all_ran = counts(sys.argv[1:])
    for suffix, what in (".pyx", "compiled modules"), (".h", "kernels"):
        report(what, {path: of for path, of in all_ran.items() if path.suffix == suffix})
