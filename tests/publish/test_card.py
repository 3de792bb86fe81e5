"""A model's card states what its repository can prove, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file, save_file

from refcolor.errors import RefcolorError, UsageError
from refcolor.io.files import write_json
from refcolor.params import INCLUDED_MODEL
from refcolor.publish.card import refuse_stage_output, write_card
from refcolor.publish.provenance import checksum, find_origin
from refcolor.sources.manifest import Record, write_manifest
from refcolor.tracking.stages import content_md5
from refcolor.training.checkpoint import GENERATOR
from tests.colorize.material import save_tiny

NUMBERS = {
    "images": 11.0,
    "ssim": 0.8517,
    "grey_ssim": 0.9,
    "delta_e": 7.46,
    "grey_delta_e": 18.2,
    "attention_accuracy": 0.31,
    "attention_identity": 0.41,
    "color_part_accuracy": 0.84,
    "transfer_delta_e": 12.6,
    "grey_transfer_delta_e": 19.3,
    "transfer_delta_e_hair": 12.0,
    "grey_transfer_delta_e_hair": 20.0,
    "transfer_delta_e_skin": 8.0,
    "grey_transfer_delta_e_skin": 16.0,
    "fid_random": 0.4,
    "copy_fid_random": 0.3,
}
FUNNEL = {
    "discover": {"listed": 30, "kept": 30, "dropped": {}},
    "download": {"listed": 30, "kept": 29, "dropped": {"gone": 1}},
    "clean": {"listed": 29, "kept": 27, "dropped": {"grey": 2}, "flagged": {}},
    "split": {"train": 16, "validation": 11},
}

Repository = Callable[..., Path]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Make a repository with a trained model, its data and its numbers."""

    def make(*, licences: tuple[str, ...] = ("MIT",), numbers: dict[str, float] = NUMBERS) -> Path:
        root = tmp_path / "repository"
        save_tiny(root / "models")
        write_json(root / "metrics/eval.json", numbers)
        write_json(root / "metrics/data.json", FUNNEL)
        (root / "data").mkdir()
        write_manifest(
            root / "data/manifest.jsonl",
            [Record(f"p{n}", f"p{n}", licence=name) for n, name in enumerate(licences)],
        )
        lock(root)
        return root

    return make


def lock(root: Path) -> None:
    """Write the dvc.lock of a repository in which everything is up to date."""

    def entries(*paths: str) -> list[dict[str, str]]:
        return [{"path": path, "md5": content_md5(root / path, root=root)} for path in paths]

    source = {"source.kind": "folder", "source.folder": {"path": "/home/ann/secret"}}
    stages: dict[str, Any] = {
        "discover": {"outs": entries("data/manifest.jsonl"), "params": {"params.yaml": source}},
        "split": {"deps": entries("data/manifest.jsonl"), "outs": entries("metrics/data.json")},
        "train": {
            "outs": entries("models"),
            "params": {"params.yaml": {"loss": {"triplet": 1}, "train": {"init": "/home/ann/w"}}},
        },
        "evaluate": {"deps": entries("models"), "outs": entries("metrics/eval.json")},
    }
    YAML().dump({"schema": "2.0", "stages": stages}, root / "dvc.lock")


def front_matter(card: str) -> dict[str, Any]:
    """Read the YAML between the first two lines of dashes, as hubs do."""
    _, text, _ = card.split("---\n", 2)
    content: dict[str, Any] = YAML(typ="safe").load(text)
    return content


def test_a_card_has_data_parameters_and_numbers(repository: Repository) -> None:
    """It has what the repository proves, the model's numbers beside those of grey."""
    root = repository()
    card = write_card(root / "models", root=root)
    assert "Trained on 16 of them; 11 were kept back" in card
    assert "| clean | 27 | 2 grey |" in card
    assert "reference (`transfer_delta_e`) | low | **12.6** | 19.3 | - | - |" in card
    assert "loss.triplet: 1" in card
    assert checksum(root / "models") in card
    assert "not known here" not in card.lower()


def test_the_front_matter_of_a_card(repository: Repository) -> None:
    """The YAML names licence, task, metrics and results."""
    root = repository()
    metadata = front_matter(write_card(root / "models", root=root))
    assert (metadata["license"], metadata["pipeline_tag"]) == ("mit", "image-to-image")
    assert metadata["metrics"] == ["ssim", "ciede2000"]
    (result,) = metadata["model-index"][0]["results"]
    assert result["dataset"]["name"] == "pictures of a private folder, 32 px"
    assert [(metric["type"], metric["value"]) for metric in result["metrics"]] == [
        ("ssim", 0.8517),
        ("ciede2000", 7.46),
    ]


def test_the_limits_follow_from_the_numbers(repository: Repository) -> None:
    """Worst part, wrong parts, the attention and a misleading number, each with its values."""
    root = repository()
    card = write_card(root / "models", root=root)
    assert "visibly off: 12.6 from the true colours of a foreign reference" in card
    assert "worst at hair: 60% of the error that grey has there; its best is skin with 50%" in card
    assert "16% of the parts take the colour of another part" in card
    assert "in 31% of the cases; looking straight ahead gets 41%" in card
    assert "`fid_random` ranks a copied reference above it" in card
    assert "8 x 8 cells of 4 x 4 pixels (of 32)" in card


def test_a_model_no_better_than_grey_is_called_so(repository: Repository) -> None:
    """Colours no nearer to the truth than grey are stated to be no better than none."""
    root = repository(numbers=NUMBERS | {"delta_e": 18.2})
    assert "**no better than no colour at all**: 18.2 from" in write_card(
        root / "models", root=root
    )


def test_private_paths_are_not_published(repository: Repository) -> None:
    """Neither the folder of the pictures nor that of initial weights is published."""
    root = repository()
    assert "/home/ann" not in write_card(root / "models", root=root)


def test_the_card_of_a_model_tuned_from_the_included_one_says_so(repository: Repository) -> None:
    """Its own pictures are not all that it learnt from."""
    root = repository()
    assert "comes with refcolor" not in write_card(root / "models", root=root)
    lock_file = root / "dvc.lock"
    lock_file.write_text(lock_file.read_text().replace("/home/ann/w", INCLUDED_MODEL))
    assert "comes with refcolor; its card names" in write_card(root / "models", root=root)


def test_a_copy_in_half_precision_is_the_same_model(repository: Repository, tmp_path: Path) -> None:
    """Weights rounded to 16 bits, elsewhere, without discriminator, keep the numbers."""
    root = repository()
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(root / "models/model.json", copy)
    half = {name: value.half() for name, value in load_file(root / "models" / GENERATOR).items()}
    save_file(half, copy / GENERATOR)
    card = write_card(copy, root=root)
    assert "**12.6**" in card
    assert "Measured before the weights were rounded" in card
    assert "rounded" not in write_card(root / "models", root=root)
    assert checksum(copy) in card


def test_other_weights_get_no_numbers(repository: Repository, tmp_path: Path) -> None:
    """A model that this repository did not train gets neither its numbers, data nor licence."""
    root = repository()
    other_model = tmp_path / "other"
    shutil.copytree(root / "models", other_model)
    weights = load_file(other_model / GENERATOR)
    weights["decoder.leave.bias"] += 0.01
    save_file(weights, other_model / GENERATOR)
    card = write_card(other_model, root=root)
    assert "Not measured." in card
    assert "No repository that trained these weights was at hand" in card
    assert front_matter(card)["license"] == "other"
    assert "12.6" not in card


def test_retrained_weights_get_no_old_numbers(repository: Repository) -> None:
    """After another training and before its evaluation the old eval.json is not used."""
    root = repository()
    text = (root / "dvc.lock").read_text()
    before = content_md5(root / "models", root=root)
    (root / "models/model.json").write_text((root / "models/model.json").read_text() + "\n")
    after = content_md5(root / "models", root=root)
    place = text.index(before)  # the out of train; the dep of evaluate stays behind
    (root / "dvc.lock").write_text(
        text[:place] + after + text[place + len(before) :], encoding="utf-8"
    )
    origin = find_origin(root / "models", root)
    assert not origin.numbers
    assert origin.funnel == FUNNEL
    assert "have not been judged" in origin.missing[0]


@pytest.mark.parametrize(
    ("path", "message"),
    [("metrics/eval.json", "have not been judged"), ("data/manifest.jsonl", "are missing or of")],
)
def test_changed_files_are_not_used(repository: Repository, path: str, message: str) -> None:
    """Numbers or data that DVC did not write are left out, and the card says so."""
    root = repository()
    (root / path).write_text((root / path).read_text() + "\n")
    assert message in write_card(root / "models", root=root)


def test_artists_of_pictures_with_a_licence_are_named(repository: Repository) -> None:
    """An artist, or several together, have a row a licence; pictures without a licence have none.

    The page is named where all pictures of the row have the same.
    """
    root = repository()
    write_manifest(
        root / "data/manifest.jsonl",
        [
            Record("a", "a", artist=("Ann",), licence="CC-BY-4.0", page="https://a.example"),
            Record("b", "b", artist=("Ann",), licence="CC-BY-4.0", page="https://a.example"),
            Record("c", "c", artist=("Ann", "Bo"), licence="CC0-1.0", page="https://b.example/1"),
            Record("d", "d", artist=("Ann", "Bo"), licence="CC0-1.0", page="https://b.example/2"),
            Record("e", "e", artist=("Cy",)),
        ],
    )
    lock(root)
    card = write_card(root / "models", root=root)
    assert (
        "\n| Ann | CC-BY-4.0 | https://a.example | 2 |\n| Ann, Bo | CC0-1.0 | - | 2 |\n\n" in card
    )
    assert "Cy" not in card


@pytest.mark.parametrize(
    ("licences", "source"),
    [(("CC0-1.0", "CC0-1.0"), "Pictures by the artists"), (("CC0-1.0", ""), "Pictures of a")],
)
def test_only_pictures_that_all_have_credits_are_said_to(
    repository: Repository, licences: tuple[str, str], source: str
) -> None:
    """Where one of two pictures has no licence, the card says from what source they come."""
    root = repository()
    write_manifest(
        root / "data/manifest.jsonl",
        [
            Record(f"p{n}", f"p{n}", artist=("Ann",), licence=name)
            for n, name in enumerate(licences)
        ],
    )
    lock(root)
    assert f"## Data\n\n{source}" in write_card(root / "models", root=root)


def test_pictures_of_several_licences_give_no_licence(repository: Repository) -> None:
    """Where pictures have several licences or none, the card counts them and states none."""
    root = repository(licences=("MIT", "", "", "CC0-1.0"))
    card = write_card(root / "models", root=root)
    assert front_matter(card)["license"] == "other"
    assert "(1 MIT, 2 without one, 1 CC0-1.0)" in card


def test_a_folder_alone_has_a_card(repository: Repository, tmp_path: Path) -> None:
    """Without a repository the card still describes the model, and lists what is missing."""
    card = write_card(repository() / "models", root=tmp_path / "nowhere")
    assert "32 x 32 pixels" in card
    assert "Nothing is known of its quality" in card
    json.dumps(front_matter(card))


def test_weights_that_are_not_safetensors_are_refused(repository: Repository) -> None:
    """A pickle is refused in one line and not unpickled."""
    root = repository()
    torch.save({"x": torch.zeros(2)}, root / "models" / GENERATOR)
    with pytest.raises(RefcolorError, match=r"generator.safetensors is not a safetensors file"):
        write_card(root / "models", root=root)


def test_a_card_inside_an_out_is_refused(repository: Repository) -> None:
    """models/README.md would make DVC train again; beside the folder is fine."""
    root = repository()
    with pytest.raises(UsageError, match="lies in models, which belongs to DVC"):
        refuse_stage_output(root / "models" / "README.md")
    refuse_stage_output(root / "models-card.md")


def test_the_repository_around_a_model_is_found(repository: Repository) -> None:
    """From any working directory the model's repository is used first."""
    root = repository()
    assert write_card(root / "models") == write_card(root / "models", root=root)
