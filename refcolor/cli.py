"""The command line: `refcolor --help`."""

import argparse
from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors


def main() -> None:
    """Run one command; errors become one line and an exit code."""
    parser = argparse.ArgumentParser(
        prog="refcolor", description="Colour line drawings after a reference picture."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    runs = commands.add_parser(
        "runs",
        help="find the MLflow run of a DVC revision, or the revision of a run",
        description="Find the MLflow run of a DVC revision, or the revision of a run.",
    )
    runs.add_argument(
        "what",
        metavar="REV|RUN",
        help="a git revision, an experiment's name, or a run's id or name",
    )
    runs.set_defaults(command=_runs)
    forget = commands.add_parser(
        "forget",
        help="take pictures out of the data and the caches, and keep them out",
        description="Take pictures out of the data and the caches, and keep them out of every "
        "later run; says what else may still hold them.",
    )
    forget.add_argument(
        "ids",
        metavar="ID",
        nargs="+",
        help="an id of data/manifest.jsonl, or the number of a post of Danbooru",
    )
    forget.set_defaults(command=_forget)
    _add_study(commands)
    arguments = parser.parse_args()
    errors.run(lambda: arguments.command(arguments))


def _add_study(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    study = commands.add_parser(
        "study",
        help="run a planned study, write its page, or report on its test set",
        description="Run a study that a plan describes, one training after another.",
    )
    verbs = study.add_subparsers(required=True, metavar="VERB")
    run = verbs.add_parser(
        "run", help="make every row that is missing or stale; goes on after any stop"
    )
    run.add_argument("--dry-run", action="store_true", help="only say what would run")
    run.add_argument("--folder", type=Path, help="pictures for a plan with source.kind folder")
    run.set_defaults(command=_study_run)
    report = verbs.add_parser("report", help="write the page from the rows")
    report.set_defaults(command=_study_report)
    test = verbs.add_parser("test", help="judge the model of this repository on the test set, once")
    test.add_argument("--again", action="store_true", help="allow another look, which is counted")
    test.set_defaults(command=_study_test)
    for verb in (run, report, test):
        verb.add_argument("--plan", type=Path, default=Path("docs/study/plan.yaml"))


def _study_run(arguments: argparse.Namespace) -> None:
    from refcolor.study.runner import load_study, run_study

    folder = arguments.folder and arguments.folder.expanduser().resolve()
    overrides = {"source.folder.path": str(folder)} if folder else {}
    run_study(load_study(Path.cwd(), arguments.plan, overrides), dry=arguments.dry_run)


def _study_report(arguments: argparse.Namespace) -> None:
    from refcolor.study.report import write_report

    print(write_report(arguments.plan))


def _study_test(arguments: argparse.Namespace) -> None:
    from refcolor import params
    from refcolor.study.testset import report_test

    row = report_test(Path.cwd(), arguments.plan, params.load(), again=arguments.again)
    print("\n".join(f"{name} {value:.6g}" for name, value in row.metrics.items()))


def _runs(arguments: argparse.Namespace) -> None:
    from refcolor.runs import find

    print(find(Path.cwd(), arguments.what))


def _forget(arguments: argparse.Namespace) -> None:
    from refcolor import params
    from refcolor.forget import forget

    exclude_file = Path(params.load().source.exclude_file)
    print(forget(Path(), arguments.ids, exclude_file=exclude_file).describe())
