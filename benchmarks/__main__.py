"""Command line: ``python -m benchmarks --case NAME``, ``python -m benchmarks fetch``, ``... compare BASE HEAD``."""

import argparse
import os
import sys
from pathlib import Path

from benchmarks import data, records
from benchmarks.runner import load_cases, run_case
from benchmarks.table import report

# cases with results, and a page or tables, of their own
OWN = {
    "claims": "A verdict on each of the papers' twenty claims, in operations counted: results/claims.json",
    "defaults": "Every method as it comes, on every data set there is: results/defaults.jsonl",
}


def _names(text):
    return text.split(",")


def parse(arguments=None):
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "command", nargs="*", metavar="COMMAND",
        help="fetch: fetch and check data; compare BASE HEAD: whether a commit (or .) is slower than another",
    )  # fmt: skip
    parser.add_argument("--case", type=_names, help="what to measure; several are separated by commas")
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    parser.add_argument("--report", metavar="NAME", help="print what is kept of a case, run nothing")
    parser.add_argument("--data", help="folder of the data files, instead of the variable SKFASTNN_DATA")
    parser.add_argument("--repeats", type=int, help="runs of each entry, in turn, instead of the case's number")
    parser.add_argument("--threads", type=int, default=2, help="threads of every library")
    parser.add_argument("--small", action="store_true", help="only to see that it works; nothing is kept")
    parser.add_argument("--limit", type=float, help="scale: seconds that end a series; defaults: CPU seconds")
    beside = parser.add_argument_group("of the cases beside torch")
    beside.add_argument("--libraries", nargs="+", help="only these methods")
    beside.add_argument("--widths", nargs="+", type=int, help="only these of the case's widths")
    beside.add_argument(
        "--peer-epochs", type=int, metavar="N", help="run N epochs of the peers, scale their time to all"
    )
    beside.add_argument("--learning-rate", type=float, help="for torch, instead of the value skfastnn finds")
    beside.add_argument(
        "--reuse-memory", action="store_true", help="let the C library keep large freed blocks (helps torch)"
    )
    several = parser.add_argument_group("of the case defaults", "names are separated by commas")
    several.add_argument("--methods", type=_names, help="of peers.py; in the report also METHOD@VERSION")
    several.add_argument("--sets", type=_names, help="names of data sets or of groups of suites.py")
    several.add_argument("--folds", type=int, help="folds of each data set, instead of the usual number")
    several.add_argument("--again", type=_names, default=[], help="methods to run though their results are kept")
    several.add_argument("--details", action="store_true", help="in the report: every data set, too")
    options = parser.parse_args(arguments)
    if not (options.list or options.report or options.case or options.command):
        parser.error("--case, --report, --list, fetch or compare is needed")
    if options.command and options.command[0] not in ("fetch", "compare"):
        parser.error(f"no command is called {options.command[0]}; there are fetch and compare")
    if options.command and len(options.command) != (3 if options.command[0] == "compare" else 1):
        parser.error("compare takes two commits, fetch nothing")
    return options


def known(names):
    """Return the cases of these names; exits where there is none."""
    cases = load_cases()
    if unknown := [name for name in names if name not in cases]:
        sys.exit(f"no case is called {', '.join(unknown)}; there are {', '.join([*cases, *OWN])}")
    return [cases[name] for name in names]


def defaults(options, run):
    """Run the case `defaults`, if asked to, and print its report."""
    from benchmarks import defaults, peers, standings

    named = {name.partition("@")[0] for name in [*(options.methods or ()), *options.again]}
    if unknown := named - set(peers.METHODS):
        sys.exit(f"no method is called {', '.join(sorted(unknown))}; there are {', '.join(peers.METHODS)}")
    if run:
        limit = defaults.LIMIT if options.limit is None else int(options.limit)
        defaults.run(options.methods, options.sets, options.folds, options.again, limit)
    # after a run, beside all that was kept of others
    print(standings.report(None if run else options.methods, options.sets, options.details))


def claims(options, run):
    """Measure the claims, if asked to, and write their page."""
    from benchmarks import claims

    if run:
        claims.measure_claims()
    else:
        claims.write_page()


def run_cases(names, options):
    """Run cases, print their tables, keep their records; exits with what data are missing, after the others."""
    lacking = []
    for name in names:
        if name in OWN:
            globals()[name](options, run=True)
            continue
        (case,) = known([name])
        if line := data.missing(case.data):
            lacking.append(f"{name} {line}")
            continue
        found = run_case(case, options)
        if not found:
            sys.exit("no entry of this case was measured")
        made_on = records.about(options.threads)
        print(report(case, made_on, found))
        if not options.small:
            records.keep(name, made_on, found)
    if lacking:
        sys.exit("\n".join(lacking))


def show(name, options):
    """Print what is kept of a case."""
    if name in OWN:
        globals()[name](options, run=False)
        return
    (case,) = known([name])
    kept = records.newest(name)
    if kept is None:
        sys.exit(f"nothing is kept of {name}: python -m benchmarks --case {name}")
    print(report(case, *kept))


def main():
    """Do what the command line asks for; the exit code is 1 where data are wrong or a commit is slower."""
    options = parse()
    if options.data:
        os.environ["SKFASTNN_DATA"] = str(Path(options.data).resolve())
    if options.list:
        summaries = {name: case.summary for name, case in load_cases().items()} | OWN
        print("\n".join(f"{name:14} {summary}" for name, summary in summaries.items()))
    elif options.command[:1] == ["fetch"]:
        sys.exit(not data.fetch())
    elif options.command:
        from benchmarks.compare import compare

        sys.exit(compare(*options.command[1:], known(options.case or ["quick"]), options))
    elif options.report:
        show(options.report, options)
    else:
        run_cases(options.case, options)


if __name__ == "__main__":
    main()
