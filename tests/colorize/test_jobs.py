"""Which reference colours which drawing, names of results, and refusals before any work."""

import os
import unicodedata
from pathlib import Path

import pytest

from refcolor.colorize.jobs import Job, plan, plan_pairs, refuse_overwriting
from refcolor.errors import UsageError


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, so that names in tests are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> list[Path]:
    """Make empty files: jobs depend on names only."""
    paths = [Path(name) for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def pairs(text: str) -> Path:
    """Write a list of pairs."""
    Path("lists").mkdir(exist_ok=True)
    path = Path("lists/pairs.csv")
    path.write_text(text, encoding="utf-8")
    return path


def test_one_reference_colours_every_drawing(working_folder: Path) -> None:
    """Sketches are files and folders, the reference is one picture."""
    touch("d/b.png", "d/a.jpg", "d/notes.txt", "d/.hidden.png", "d/.git/c.png", "x.webp")
    (reference,) = touch("r.png")
    jobs = plan([Path("d"), Path("x.webp")], [reference], output=Path("out"))
    assert jobs.failures == ()
    assert [(str(job.sketch), str(job.output)) for job in jobs.jobs] == [
        ("d/a.jpg", "out/a.png"),
        ("d/b.png", "out/b.png"),
        ("x.webp", "out/x.png"),
    ]
    assert {job.references for job in jobs.jobs} == {(reference,)}


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_agree_in_composed_and_decomposed_form(
    forms: tuple[str, str], working_folder: Path
) -> None:
    """A drawing from macOS and a reference from elsewhere have one name, in folders and lists."""
    sketch, reference = (unicodedata.normalize(form, "été が") for form in forms)  # type: ignore[arg-type]
    touch(f"d/{sketch}.png", "d/b.png", f"r/{reference}.jpg", "r/b.png")
    jobs = plan([Path("d")], [Path("r")], output=Path("out"))
    assert jobs.failures == ()
    assert {job.sketch.name: job.references[0].name for job in jobs.jobs} == {
        f"{sketch}.png": f"{reference}.jpg",
        "b.png": "b.png",
    }
    table = pairs(f"sketch,reference\n../d/{reference}.png,../r/{sketch}.jpg\n")
    (job,) = plan_pairs(table, output=Path("out")).jobs
    assert (job.sketch.name, job.references[0].name) == (f"{sketch}.png", f"{reference}.jpg")


def test_a_list_may_be_from_windows_and_name_the_home_folder(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backslashes separate folders, also of results; ~ is the home folder."""
    monkeypatch.setenv("HOME", str(working_folder))
    touch("lists/d/a.png", "r.png")
    text = "sketch,reference,output\n{},~/r.png,{}\n"
    (job,) = plan_pairs(pairs(text.format(r"d\a.png", r"x\y.png")), output=Path("out")).jobs
    assert job.sketch == Path("lists/d/a.png")
    assert job.references == (working_folder / "r.png",)
    assert job.output == Path("out/x/y.png")
    (failure,) = plan_pairs(pairs(text.format("d/a.png", r"..\y")), output=Path("out")).failures
    assert "would leave the folder" in failure.message


def test_a_web_address_in_a_list_is_a_failure(working_folder: Path) -> None:
    """The message has the line and the address."""
    touch("lists/a.png")
    (failure,) = plan_pairs(
        pairs("sketch,reference\na.png,https://e.org/r.png\n"), output=Path("out")
    ).failures
    assert failure.message.startswith("pairs.csv line 2: https://e.org/r.png is a web address;")


def test_results_keep_the_sub_folders_of_the_drawings(working_folder: Path) -> None:
    """Sub-folders are kept; results inside the folder of the drawings are not drawings."""
    touch("d/a.png", "d/1/a.psd", "d/1/deep/b.v2.ora", "d/out/a.png", "r.png")
    jobs = plan([Path("d")], [Path("r.png")], output=Path("d/out"))
    assert {str(job.sketch): str(job.output) for job in jobs.jobs} == {
        "d/a.png": "d/out/a.png",
        "d/1/a.psd": "d/out/1/a.png",
        "d/1/deep/b.v2.ora": "d/out/1/deep/b.v2.png",
    }
    refuse_overwriting(jobs.jobs, layers=True, psd=True, ora=True)


def test_references_are_matched_by_path_then_by_name(working_folder: Path) -> None:
    """The reference in the same sub-folder comes before one that has only the name."""
    touch("d/1/a.png", "d/2/a.png", "d/2/b.png", "d/3/c.png", "r/a.jpg", "r/2/a.jpg", "r/2/b.psd")
    jobs = plan([Path("d")], [Path("r")], output=Path("out"))
    assert {str(job.sketch): [str(path) for path in job.references] for job in jobs.jobs} == {
        "d/1/a.png": ["r/a.jpg"],
        "d/2/a.png": ["r/2/a.jpg"],
        "d/2/b.png": ["r/2/b.psd"],
    }
    assert [failure.message for failure in jobs.failures] == ["d/3/c.png has no reference called c"]


def test_a_picture_comes_before_its_document(working_folder: Path) -> None:
    """Of a.png and a.psd the picture is coloured, unless a layer is named."""
    touch("d/a.png", "d/a.psd", "d/b.ora", "d/c.jpg", "d/1/a.png", "r.png")
    for layer, names in ((None, ["1/a.png", "a.png"]), ("ink", ["1/a.png", "a.psd"])):
        jobs = plan([Path("d")], [Path("r.png")], output=Path("out"), layer=layer)
        drawings = [str(job.sketch.relative_to("d")) for job in jobs.jobs]
        assert drawings == [*names, "b.ora", "c.jpg"]
    both = plan([Path("d/a.png"), Path("d/a.psd")], [Path("r.png")], output=Path("out"))
    with pytest.raises(UsageError, match=r"d/a.png and d/a.psd would both be written to out/a.png"):
        refuse_overwriting(both.jobs)


def test_a_folder_with_one_picture_is_one_reference(working_folder: Path) -> None:
    """It does not matter whether the picture or its folder is named."""
    touch("d/a.png", "d/b.png", "r/other.png")
    jobs = plan([Path("d")], [Path("r")], output=Path("out"))
    assert {job.references for job in jobs.jobs} == {(Path("r/other.png"),)}


def test_several_references_are_matched_by_name(working_folder: Path) -> None:
    """Each drawing takes the reference of its name; a drawing without one is a failure."""
    touch("d/a.png", "d/b.png", "d/c.png", "r/a.jpg", "r/c.webp", "r/z.png")
    jobs = plan([Path("d")], [Path("r")], output=Path("out"))
    assert [job.references for job in jobs.jobs] == [(Path("r/a.jpg"),), (Path("r/c.webp"),)]
    assert [failure.message for failure in jobs.failures] == ["d/b.png has no reference called b"]


def test_together_every_drawing_takes_all_references(working_folder: Path) -> None:
    """With `together` names do not matter."""
    references = touch("r/a.png", "r/b.png")
    touch("d/a.png", "d/x.png")
    jobs = plan([Path("d")], [Path("r")], output=Path("out"), together=True)
    assert [job.references for job in jobs.jobs] == [tuple(references)] * 2


def test_several_references_without_common_names_are_refused(working_folder: Path) -> None:
    """The message asks whether they are meant together."""
    sketch, *references = touch("s.png", "r1.png", "r2.png")
    with pytest.raises(UsageError, match=r"2 references .* for one sketch, .* add --together"):
        plan([sketch], references, output=Path("out"))


def test_two_references_of_one_name_are_refused(working_folder: Path) -> None:
    """a.png and a.jpg are both called a: it is not clear which is meant."""
    touch("d/a.png", "r/a.png", "r/a.jpg")
    with pytest.raises(UsageError, match=r"r/a.jpg and r/a.png are both called a"):
        plan([Path("d")], [Path("r")], output=Path("out"))


def test_missing_sources_are_failures_beside_the_others(working_folder: Path) -> None:
    """A missing drawing and an empty folder do not stop the others."""
    Path("empty").mkdir()
    sketch, reference = touch("s.png", "r.png")
    jobs = plan([Path("gone.png"), Path("empty"), sketch], [reference], output=Path("out"))
    assert [job.sketch for job in jobs.jobs] == [sketch]
    reasons = [failure.message.partition(";")[0] for failure in jobs.failures]
    assert reasons == [
        "gone.png does not exist",
        "empty has no picture files (.avif .bmp .gif .jpeg .jpg .ora .png .psd .tif .tiff .webp)",
    ]


@pytest.mark.parametrize(
    ("sketches", "references", "message"),
    [
        (["gone.png"], ["r.png"], "gone.png does not exist"),
        (["empty"], ["r.png"], "empty has no picture files"),
        ([], ["r.png"], "no sketch was named"),
        (["s.png"], [], "no reference was named; add --reference"),
        (["s.png"], ["gone.png"], "gone.png does not exist"),
        (["s.png"], ["r.png", "gone.png"], "gone.png does not exist"),
        (["s.png"], ["\0"], "does not exist"),
        (["s.png"], ["x" * 300], "does not exist"),
    ],
)
def test_without_drawings_or_references_it_is_a_usage_error(
    working_folder: Path, sketches: list[str], references: list[str], message: str
) -> None:
    """It ends before any work."""
    touch("s.png", "r.png")
    Path("empty").mkdir()
    with pytest.raises(UsageError, match=message):
        plan(list(map(Path, sketches)), list(map(Path, references)), output=Path("out"))


def test_a_name_that_ends_in_png_is_the_result(working_folder: Path) -> None:
    """OUT with a picture's extension is a picture; an existing folder of that name stays one."""
    sketch, reference, second_sketch = touch("s.png", "r.png", "s2.png")
    assert plan([sketch], [reference], output=Path("o/x.PNG")).jobs[0].output == Path("o/x.PNG")
    with pytest.raises(UsageError, match=r"o.png is one picture, but 2 are to be made"):
        plan([sketch, second_sketch], [reference], output=Path("o.png"))
    with pytest.raises(UsageError, match=r"results are PNG files; write -o o.png"):
        plan([sketch], [reference], output=Path("o.psd"))
    Path("o.png").mkdir()
    assert plan([sketch], [reference], output=Path("o.png")).jobs[0].output == Path("o.png/s.png")


def test_names_too_long_with_a_suffix_are_cut(working_folder: Path) -> None:
    """A drawing may have the longest possible name: each of its files has a valid one."""
    touch("r.png", "lists/r.png")
    for name in ("x" * 251 + ".png", "x" * 255):
        (sketch,) = touch(name)
        (job,) = plan([sketch], [Path("r.png")], output=Path("out")).jobs
        sketch.rename(f"lists/{name}")
        (listed,) = plan_pairs(pairs(f"sketch,reference\n{name},r.png\n"), output=Path("out")).jobs
        assert listed.output == job.output
        files = job.files(layers=True, psd=True, ora=True)
        assert len({file.name for file in files}) == 5
        assert max(len(file.name) for file in files) == 255
    assert plan([Path("r.png")], [Path("r.png")], output=Path("out")).jobs[0].output.name == "r.png"


def test_an_output_that_is_another_file_is_refused(working_folder: Path) -> None:
    """OUT is a file that is not a picture."""
    sketch, reference, _ = touch("s.png", "r.png", "out")
    with pytest.raises(UsageError, match="out is a file; name a folder"):
        plan([sketch], [reference], output=Path("out"))


def test_a_list_pairs_drawings_with_references(working_folder: Path) -> None:
    """Further columns and further lines add references; names are relative to the list."""
    touch(*(f"lists/{name}.png" for name in ("a", "b", "r1", "r2", "r3")))
    path = pairs(
        "sketch,reference,reference2,artist\na.png,r1.png,r2.png,x\nb.png,r1.png\na.png,r3.png\n"
    )
    jobs = plan_pairs(path, output=Path("out"))
    assert jobs.failures == ()
    folder = Path("lists")
    assert jobs.jobs == (
        Job(folder / "a.png", tuple(folder / f"r{n}.png" for n in "123"), Path("out/a.png")),
        Job(folder / "b.png", (folder / "r1.png",), Path("out/b.png")),
    )


def test_a_list_as_spreadsheets_write_it(working_folder: Path) -> None:
    """A byte order mark, semicolons, capitals, Windows line ends, quotes and empty lines."""
    touch("lists/a, b.png", "lists/r.png")
    path = pairs('\ufeffSketch;Reference;Output\r\n"a, b.png"; r.png ;second\r\n;;\r\n')
    (job,) = plan_pairs(path, output=Path("out")).jobs
    assert job == Job(Path("lists/a, b.png"), (Path("lists/r.png"),), Path("out/second.png"))


@pytest.mark.parametrize(
    "name", ["../x", "/tmp/x", "sub/../../x", "..", "link/x", "x/../../out2/y.png"]
)
def test_an_output_that_leaves_the_folder_is_refused(working_folder: Path, name: str) -> None:
    """Upwards, absolute or through a link: that line fails, the others are done."""
    touch("lists/a.png", "lists/b.png", "lists/r.png", "out/keep")
    os.symlink(working_folder, "out/link")
    path = pairs(f"sketch,reference,output\na.png,r.png,{name}\nb.png,r.png,fine\n")
    jobs = plan_pairs(path, output=Path("out"))
    assert [job.output for job in jobs.jobs] == [Path("out/fine.png")]
    assert "pairs.csv line 2: output" in jobs.failures[0].message
    assert "would leave the folder out" in jobs.failures[0].message


def test_invalid_lines_are_failures(working_folder: Path) -> None:
    """Each message has its line; the other lines are done."""
    touch("lists/a.png", "lists/r.png")
    path = pairs("sketch,reference\n,r.png\na.png,\ngone.png,r.png\na.png,gone.png\n")
    jobs = plan_pairs(path, output=Path("out"))
    assert [failure.message for failure in jobs.failures] == [
        "pairs.csv line 2: no sketch is named",
        "pairs.csv line 3: lists/gone.png is not a file",
        "pairs.csv line 4: lists/gone.png is not a file",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png,r.png\n", "first line .* must name the columns sketch and reference"),
        ("", "first line .* must name"),
        ("sketch,reference\n\n,\n", "does not list any drawing"),
    ],
)
def test_a_list_without_columns_or_lines_is_refused(
    working_folder: Path, text: str, message: str
) -> None:
    """The message says what is missing."""
    with pytest.raises(UsageError, match=message):
        plan_pairs(pairs(text), output=Path("out"))


def test_a_list_that_is_not_text_is_refused(working_folder: Path) -> None:
    """A spreadsheet file and a missing file are refused too."""
    Path("x.csv").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        plan_pairs(Path("x.csv"), output=Path("out"))
    with pytest.raises(UsageError, match=r"gone.csv cannot be read"):
        plan_pairs(Path("gone.csv"), output=Path("out"))


def test_two_drawings_of_one_name_never_overwrite_each_other(working_folder: Path) -> None:
    """Two folders have an a.png, and both results would be OUT/a.png: refused, naming both."""
    touch("d/a.png", "e/a.jpg", "r.png")
    jobs = plan([Path("d"), Path("e")], [Path("r.png")], output=Path("out"))
    with pytest.raises(UsageError, match=r"d/a.png and e/a.jpg would both be written to out/a.png"):
        refuse_overwriting(jobs.jobs)


def test_a_layer_never_overwrites_a_result(working_folder: Path) -> None:
    """The colour layer of a has the name of the result of a_colors."""
    touch("d/a.png", "d/a_colors.png", "r.png")
    jobs = plan([Path("d")], [Path("r.png")], output=Path("out"))
    refuse_overwriting(jobs.jobs)
    with pytest.raises(UsageError, match=r"both be written to out/a_colors.png"):
        refuse_overwriting(jobs.jobs, layers=True)


def test_a_shadow_never_overwrites_an_input(working_folder: Path) -> None:
    """The shadow of a has the name of a reference, and whether a has one is not known before."""
    touch("d/a.png", "out/a_shadow.png")
    jobs = plan([Path("d")], [Path("out/a_shadow.png")], output=Path("out"))
    refuse_overwriting(jobs.jobs)
    with pytest.raises(UsageError, match=r"a_shadow.png would be overwritten"):
        refuse_overwriting(jobs.jobs, layers=True)


@pytest.mark.parametrize("output", ["d", "d/../d", "link"])
def test_a_drawing_is_never_overwritten(working_folder: Path, output: str) -> None:
    """OUT that is the folder of the drawings is refused, by whatever name."""
    touch("d/a.png", "r.png")
    os.symlink("d", "link")
    jobs = plan([Path("d")], [Path("r.png")], output=Path(output))
    with pytest.raises(UsageError, match="overwritten, and it is one of the input pictures"):
        refuse_overwriting(jobs.jobs)


def test_one_drawing_named_twice_is_done_once(working_folder: Path) -> None:
    """It may be named by its folder and by its name."""
    touch("d/a.png", "r.png")
    jobs = plan([Path("d"), Path("d/../d/a.png")], [Path("r.png")], output=Path("out"))
    assert len(jobs.jobs) == 1
