"""Which files a stage imports, read from the source, and which of them it must declare."""

from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]

# Plumbing that cannot change a byte of output, and `params`, whose values are tracked as params.
ALLOWED = {
    "refcolor/__init__.py",
    "refcolor/errors.py",
    "refcolor/inputs.py",
    "refcolor/interrupt.py",
    "refcolor/params.py",
    "refcolor/stages.py",
    "refcolor/tracker.py",
    "refcolor/tracking",
}


def import_closure(stage: str) -> set[str]:
    """Return the project's files that `python -m pipeline.<stage>` imports, but for ALLOWED."""
    graph = grimp.build_graph("refcolor", "pipeline", cache_dir=None)
    modules = {f"pipeline.{stage}", *graph.find_upstream_modules(f"pipeline.{stage}")}
    parents = {module.rpartition(".")[0] for module in modules}
    parents |= {parent.rpartition(".")[0] for parent in parents}
    files = {_file(module) for module in modules | parents if module}
    return {file for file in files if file and not _allowed(file)}


def _file(module: str) -> str | None:
    path = Path(module.replace(".", "/"))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / candidate).is_file():
            return candidate.as_posix()
    return None


def _allowed(file: str) -> bool:
    return file in ALLOWED or any(file.startswith(f"{folder}/") for folder in ALLOWED)
