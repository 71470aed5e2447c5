"""Command line: ``python -m benchmarks --case NAME``."""

import argparse
import sys
from dataclasses import replace

from benchmarks import (
    accuracy,
    claims,
    deep,
    defaults,
    geometry,
    heavy,
    inputs,
    measure,
    report,
    second_order,
    sketches,
    standings,
)
from benchmarks.cases import CASES, LIBRARIES
from benchmarks.peers import METHODS
from benchmarks.suites import GROUPS

# cases with a function of their own
OTHER_CASES = (
    accuracy.CASES | second_order.CASES | inputs.CASES | geometry.CASES | sketches.CASES | heavy.CASES | deep.CASES
    | claims.CASES
)  # fmt: skip


def parse(arguments=None):
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--case", choices=[*CASES, *OTHER_CASES, "defaults"], help="what to measure")
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=LIBRARIES)
    parser.add_argument("--widths", nargs="+", type=int, help="only these of the case's widths")
    parser.add_argument("--repeats", type=int, default=3, help="runs per library, interleaved")
    parser.add_argument("--threads", type=int, default=2, help="threads of every library")
    parser.add_argument(
        "--peer-epochs",
        type=int,
        metavar="N",
        help="run N epochs of torch and scikit-learn and scale their time to all",
    )
    parser.add_argument("--learning-rate", type=float, help="for torch, instead of the value skfastnn finds")
    parser.add_argument(
        "--reuse-memory",
        action="store_true",
        help="let the C library of every run keep large freed blocks (helps torch)",
    )
    several = parser.add_argument_group("of the cases defaults and claims", "names are separated by commas")
    several.add_argument("--methods", type=_names, help=f"of {', '.join(METHODS)}; in the report also METHOD@VERSION")
    several.add_argument("--sets", type=_names, help=f"names of data sets or of groups: {', '.join(GROUPS)}")
    several.add_argument("--folds", type=int, help="folds of each data set, instead of the usual number")
    several.add_argument("--again", type=_names, default=[], help="methods to run though their results are kept")
    several.add_argument("--limit", type=int, default=defaults.LIMIT, help="CPU seconds per data set and method")
    several.add_argument("--report", choices=["claims", "defaults"], help="of the results kept, run nothing")
    several.add_argument("--details", action="store_true", help="in the report: every data set, too")
    options = parser.parse_args(arguments)
    if not (options.list or options.report or options.case):
        parser.error("--case, --report or --list is needed")
    named = {name.partition("@")[0] for name in [*(options.methods or ()), *options.again]}
    if unknown := named - set(METHODS):
        parser.error(f"no method is called {', '.join(sorted(unknown))}; there are {', '.join(METHODS)}")
    return options


def _names(text):
    return text.split(",")


def selected(case, options):
    """Return the entries to run: skfastnn first, since torch takes its learning rate."""
    entries = [
        replace(settings, n_threads=options.threads)
        for settings in case.entries
        if settings.library in options.libraries and (not options.widths or settings.width in options.widths)
    ]
    return sorted(entries, key=lambda settings: settings.library != "skfastnn")


def n_epochs(case, settings, options):
    """Return the epochs to run, fewer for the peers if asked."""
    if options.peer_epochs and settings.library != "skfastnn":
        return min(options.peer_epochs, case.epochs)
    return case.epochs


def handed_over(settings, answers, options):
    """Return the learning rate for one run: its own, or the one skfastnn resolved."""
    if settings.learning_rate is not None or settings.library == "skfastnn":
        return settings.learning_rate
    if options.learning_rate is not None:
        return options.learning_rate
    base = report.reference(settings, answers)
    if base is None:
        sys.exit("torch uses the learning rate of skfastnn: run both, or give --learning-rate")
    return answers[base][0]["learning_rate"]


def run_all(case_name, options):
    """Run every entry `repeats` times, A B A B, and return the answers by entry."""
    case = CASES[case_name]
    answers = {settings: [] for settings in selected(case, options)}
    for repeat in range(options.repeats):
        for settings in answers:
            epochs = n_epochs(case, settings, options)
            rate = handed_over(settings, answers, options)
            this = replace(settings, seed=repeat, learning_rate=rate)
            answer = measure.run(case_name, this, epochs, options.reuse_memory)
            answers[settings].append(answer)
            print(
                f"{repeat + 1}/{options.repeats} {settings.label}: {answer['seconds']:.5g} s",
                file=sys.stderr,
                flush=True,
            )
    return answers


def main():
    """Run the case that the command line names and print its table."""
    options = parse()
    if options.list:
        for name, case in CASES.items():
            print(f"{name:12} {case.summary}")
        for name, function in OTHER_CASES.items():
            print(f"{name:12} {function.__doc__.splitlines()[0]}")
        print(f"{'defaults':12} {defaults.__doc__.splitlines()[0].partition(': ')[2]}")
        return
    if options.case == "defaults":
        defaults.run(options.methods, options.sets, options.folds, options.again, options.limit)
        # beside all that was kept of others
        print(standings.report(sets=options.sets, details=options.details))
        return
    if options.report == "claims":
        claims.write_page()
        return
    if options.report:
        print(standings.report(options.methods, options.sets, options.details))
        return
    if options.case in OTHER_CASES:
        OTHER_CASES[options.case](options.threads)
        return
    case = CASES[options.case]
    answers = run_all(options.case, options)
    if not answers:
        sys.exit("no entry of this case matches --libraries and --widths")
    print(report.header(options.case, case, options.threads, options.repeats))
    print(report.table(case, answers, options.peer_epochs))


if __name__ == "__main__":
    main()
