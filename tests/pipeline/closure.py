"""Which files a stage imports, read from the source, and which of them it must declare."""

import ast
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]

# Plumbing that cannot change a byte of output, and `params`, whose values are tracked as params.
ALLOWED = {
    "refcolor/__init__.py",
    "refcolor/errors.py",
    "refcolor/interrupt.py",
    "refcolor/params.py",
    "refcolor/tracking",
    "refcolor/training/tracker.py",
}


# Reading and writing of files, which every stage lists whole.
WHOLE = "refcolor/io"


def declared_files(deps: list[str]) -> set[str]:
    """Return the project's files that `deps` of a stage name, a folder as its files."""
    files: set[str] = set()
    for dep in deps:
        if dep.startswith("refcolor/") and not dep.endswith(".py"):
            files |= {file.relative_to(ROOT).as_posix() for file in (ROOT / dep).rglob("*.py")}
        elif dep.endswith(".py"):
            files.add(dep)
    return {file for file in files if not allowed(file)}


def import_closure(stage: str) -> set[str]:
    """Return the project's files that `python -m pipeline.<stage>` imports, but for ALLOWED."""
    graph = grimp.build_graph("refcolor", "pipeline", cache_dir=None)
    modules = {f"pipeline.{stage}", *graph.find_upstream_modules(f"pipeline.{stage}")}
    parents = {module.rpartition(".")[0] for module in modules}
    parents |= {parent.rpartition(".")[0] for parent in parents}
    files = {_file(module) for module in modules | parents if module}
    return {file for file in files if file and not allowed(file)}


def _file(module: str) -> str | None:
    path = Path(module.replace(".", "/"))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / candidate).is_file():
            return candidate.as_posix()
    return None


def allowed(file: str) -> bool:
    """Whether a file need not be declared."""
    if file in ALLOWED or any(file.startswith(f"{folder}/") for folder in ALLOWED):
        return True
    # A package that holds nothing but its docstring.
    return file.endswith("__init__.py") and len(ast.parse((ROOT / file).read_bytes()).body) <= 1
