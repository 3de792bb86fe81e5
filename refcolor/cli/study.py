"""Run a planned study, write its tables and figures, or report on its test set.

A plan describes the study; its trainings run one after another.
"""

import argparse
import os
from pathlib import Path

from refcolor.cli.options import path
from refcolor.errors import RefcolorError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    run = verbs.add_parser(
        "run", help="make every row that is missing or stale; goes on after any stop"
    )
    run.add_argument("--dry-run", action="store_true", help="only say what would run")
    run.add_argument("--folder", type=path, help="pictures for a plan with source.kind folder")
    run.set_defaults(command=_run)
    report = verbs.add_parser("report", help="write tables and figures from the rows")
    report.set_defaults(command=_report)
    test = verbs.add_parser("test", help="judge the model of this repository on the test set, once")
    test.add_argument("--again", action="store_true", help="allow another look, which is counted")
    test.set_defaults(command=_test)
    for verb in (run, report, test):
        verb.add_argument("--plan", type=path, default=Path("docs/study/plan.yaml"))


def _run(arguments: argparse.Namespace) -> None:
    if os.name == "nt":
        raise RefcolorError(
            "refcolor study run stops and locks its runs as only Linux and macOS can; on Windows "
            "run it in WSL (docs/install.md)"
        )
    from refcolor.study.runner import run_study

    folder = arguments.folder and arguments.folder.expanduser().resolve()
    overrides = {"source.folder.path": str(folder)} if folder else {}
    run_study(Path.cwd(), arguments.plan, overrides=overrides, dry=arguments.dry_run)


def _report(arguments: argparse.Namespace) -> None:
    from refcolor.study.report import write_report

    print(write_report(arguments.plan))


def _test(arguments: argparse.Namespace) -> None:
    from refcolor import params
    from refcolor.study.testset import report_test

    row = report_test(Path.cwd(), arguments.plan, params.load(), again=arguments.again)
    print("\n".join(f"{name} {value:.6g}" for name, value in row.metrics.items()))
