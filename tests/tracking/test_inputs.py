"""The user's files stay out of Git, and no run starts without the files that it reads."""

import re
import subprocess
from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.params import INCLUDED_MODEL, PATHS
from refcolor.tracking import inputs
from tests.conftest import tiny_params

NAMES = ("mine", "in/my pictures", "[1] *?", "#a", "!b", "it's")
SOURCES = ("folder.path", "archive.metadata", "archive.pictures", "url_list.path", "manifest.path")


def check(path: str | Path, name: str = "source.folder.path", *, kind: str = "folder") -> None:
    """Check parameters in which a single path is set."""
    changes = {"source.kind": kind, name: str(path)}
    inputs.check(tiny_params(changes))


def git(folder: Path, *command: str) -> None:
    """Run git in a folder."""
    subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)


def shell(command: str) -> None:
    """Run a command from a message in a shell."""
    subprocess.run(command, shell=True, check=True, capture_output=True)


def write(*files: Path) -> None:
    """Write files, each with different content."""
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(file), encoding="utf-8")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the folder `data/inbox`; it is the working directory."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "a")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.org")
    root = tmp_path / "repository"
    write(root / "data/inbox/.gitkeep")
    (root / ".gitignore").write_text("/data/inbox/*\n!.gitkeep\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    monkeypatch.chdir(root)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return root


def test_every_path_parameter_of_dvc_yaml_is_checked() -> None:
    """Each dependency of dvc.yaml that a parameter names is checked, and the archive's pictures."""
    text = (Path(__file__).parents[2] / "dvc.yaml").read_text(encoding="utf-8")
    assert {*re.findall(r"\$\{(.+?)\}", text), "source.archive.pictures"} == set(PATHS)


def test_ignored_folders_and_folders_outside_may_be_read(tree: Path) -> None:
    """Pictures in the inbox, in another ignored folder and beside the repository are fine."""
    write(tree / "data/inbox/sub/a.png", tree.parent / "pictures/b.png", tree / "mine/c.png")
    with (tree / ".git/info/exclude").open("a") as file:
        file.write("mine/\n")
    for folder in ("data/inbox", tree.parent / "pictures", "../pictures", "mine", "nothing"):
        check(folder)


@pytest.mark.parametrize(
    "name", [name for name in PATHS if name not in ("source.folder.path", "source.exclude_file")]
)
def test_a_folder_that_git_does_not_ignore_is_refused(tree: Path, name: str) -> None:
    """Whatever the kind of source, the message names the parameter."""
    write(tree / "mine/a.png")
    with pytest.raises(RefcolorError, match=rf"^{name} is mine, and every experiment would"):
        check("mine", name)


@pytest.mark.parametrize("name", NAMES)
def test_the_suggested_line_for_gitignore_works(tree: Path, name: str) -> None:
    """A folder inside the repository is refused, relative or absolute, until the line is there."""
    write(tree / name / "sub/a.png", tree / name / "b.png")
    for path in (name, tree / name, f"data/../{name}/"):
        with pytest.raises(RefcolorError) as caught:
            check(path)
        message = re.fullmatch(
            r"source.folder.path is .*, and every experiment would publish .*b.png and 1 more; "
            r"name a path outside the repository, or add the line (.+) to .gitignore",
            str(caught.value),
        )
        assert message
    with (tree / ".gitignore").open("a") as file:
        file.write(f"{message[1]}\n")
    check(name)


def test_the_included_model_may_be_where_a_training_starts(tree: Path) -> None:
    """Git tracks it on purpose."""
    write(tree / INCLUDED_MODEL / "generator.safetensors")
    git(tree, "add", "-A")
    check(INCLUDED_MODEL, "train.init")


def test_the_suggested_command_untracks_pictures(tree: Path) -> None:
    """The command untracks the pictures, and leaves them and .gitkeep where they are."""
    write(tree / "data/inbox/a.png", tree / "data/inbox/b.png")
    git(tree, "add", "-f", "data/inbox/a.png", "data/inbox/b.png")
    git(tree, "commit", "-qm", "pictures")
    with pytest.raises(
        RefcolorError, match=r"publish data/inbox/a.png and 1 more; .*, or run: "
    ) as caught:
        check("data/inbox")
    shell(str(caught.value).partition("run: ")[2])
    check("data/inbox")
    assert len(list((tree / "data/inbox").iterdir())) == 3
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True)
    assert tracked.stdout.split() == [".gitignore", "data/inbox/.gitkeep"]


@pytest.mark.parametrize("name", NAMES)
def test_partly_tracked_folders_need_the_line_and_the_command(tree: Path, name: str) -> None:
    """For a folder that is tracked in part the message has the line, then the command."""
    write(tree / name / "a.png")
    git(tree, "add", "--", f"./{name}/a.png")
    write(tree / name / "b.png")
    with pytest.raises(RefcolorError, match=r"b.png and 1 more; ") as caught:
        check(name, "train.init")
    message = re.search(r"add the line (.+) to .gitignore, then run: (.+)$", str(caught.value))
    assert message
    with (tree / ".gitignore").open("a") as file:
        file.write(f"{message[1]}\n")
    shell(message[2])
    check(name, "train.init")
    assert len(list((tree / name).iterdir())) == 2


def test_a_list_must_be_tracked_or_ignored(tree: Path) -> None:
    """A single file may be read when Git tracks or ignores it; else it would be published."""
    write(tree / "mine.csv", tree / "list.csv", tree / "data/inbox/list.csv")
    git(tree, "add", "list.csv")
    check("list.csv", "source.url_list.path")
    check("data/inbox/list.csv", "source.url_list.path")
    with pytest.raises(RefcolorError, match=r"source.url_list.path is mine.csv, .* /mine.csv to"):
        check("mine.csv", "source.url_list.path")
    check("mine.csv", "source.exclude_file")


def test_a_link_and_its_target_are_both_checked(tree: Path) -> None:
    """DVC follows links: a link inside the repository must be ignored, and so must its target."""
    write(tree.parent / "pictures/sub/a.png", tree / "mine/b.png")
    (tree / "data/link").symlink_to(tree.parent / "pictures")
    (tree.parent / "back").symlink_to(tree / "mine")
    for path, line in (("data/link", "/data/link"), ("data/link/sub", "/data/link")):
        with pytest.raises(RefcolorError, match=f"add the line {line} to .gitignore"):
            check(path)
    with pytest.raises(RefcolorError, match=r"add the line /mine to .gitignore"):
        check(tree.parent / "back")
    (tree / ".gitignore").write_text("/data/link\n/mine\n")
    for path in ("data/link", "data/link/sub", tree.parent / "back"):
        check(path)


@pytest.mark.parametrize("missing", ["git", "repository"])
def test_without_git_nothing_is_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Neither a machine without git nor a folder without a repository stops a run."""
    write(tree / "mine/a.png")
    if missing == "git":
        monkeypatch.setenv("PATH", str(tree))
    else:
        (tree / ".git").rename(tree / "git")
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tree.parent))
    check("mine")


def test_a_repository_of_another_owner_is_checked(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where git refuses to work and DVC does not, a folder is refused all the same."""
    write(tree / "mine/a.png")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(RefcolorError, match="add the line /mine"):
        check("mine")


@pytest.fixture
def copy(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone inside `tree`, as DVC makes it for `--temp`; it is the working directory."""
    clone = tree / ".dvc/tmp/exps/temporary"
    (tree / ".dvc").mkdir()
    (tree / ".dvc/.gitignore").write_text("/tmp\n")
    git(tree, "clone", "-q", ".", str(clone))
    monkeypatch.chdir(clone)
    monkeypatch.setenv("DVC_ROOT", str(tree))
    return clone


@pytest.mark.parametrize("source", SOURCES)
def test_a_copy_that_lacks_files_of_the_source_is_refused(
    tree: Path, copy: Path, source: str
) -> None:
    """Where the copy has only some or none of the ignored files, it names the absolute path."""
    kind, name = source.partition(".")[0], f"source.{source}"
    named = {f"source.{other}": str(tree / "data/inbox") for other in SOURCES}
    relative = tiny_params(named | {"source.kind": kind, name: "data/inbox"})
    inputs.check(relative)
    write(tree / "data/inbox/a", tree / "data/inbox/sub/b", tree / "data/inbox/.DS_Store")
    message = f"{name} is data/inbox, .* lacks 2 files .*; set {name} to {tree / 'data/inbox'}$"
    with pytest.raises(RefcolorError, match=message):
        inputs.check(relative)
    write(copy / "data/inbox/a")
    with pytest.raises(RefcolorError, match="lacks 1 files"):
        inputs.check(relative)
    inputs.check(tiny_params(named | {"source.kind": kind}))
    check("data/inbox", name, kind="sample")


def test_weights_missing_in_a_copy_are_refused_for_every_source(tree: Path, copy: Path) -> None:
    """A training would begin from scratch, and an evaluation would run without its tagger."""
    write(tree / "data/inbox/weights")
    for name in ("train.init", "evaluate.tagger"):
        with pytest.raises(RefcolorError, match=f"^{name} is data/inbox, and this run works in"):
            check("data/inbox", name, kind="sample")


def test_a_copy_does_not_publish_folders_of_the_repository(tree: Path, copy: Path) -> None:
    """A folder of the repository that a copy names is refused, and so is one inside the copy."""
    write(tree / "mine/a.png")
    with pytest.raises(RefcolorError, match="add the line /mine"):
        check(tree / "mine")
    (tree / ".git/info/exclude").write_text("mine\n")
    check(tree / "mine")
    write(copy / "mine/a.png")
    with pytest.raises(RefcolorError, match="add the line /mine"):
        check("mine")
