"""Evaluate a trained generator on the evaluation set."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch

from refcolor.colorize.colorizer import Colorizer
from refcolor.evaluation.evaluation_set import load_evaluation_set
from refcolor.evaluation.features.inception import Inception
from refcolor.evaluation.features.random_convolutions import RandomConvolutions
from refcolor.evaluation.features.tagger import Tagger, load_tagger
from refcolor.evaluation.measurements import Measured, measurements
from refcolor.evaluation.metrics.confusion import write_confusion
from refcolor.evaluation.metrics.distance import Features
from refcolor.evaluation.predictions import Predictions
from refcolor.evaluation.real_drawings import read_real_pairs, real_drawings
from refcolor.io import image
from refcolor.params import EvaluateParams, Params
from refcolor.sources.naming import result_name
from refcolor.training.checkpoint import load_generator
from refcolor.training.device import memory_format, set_numerics

SIGNIFICANT_DIGITS = 6


@dataclass
class Report(Measured):
    """The result of an evaluation; results: the prediction of each pair, by file name."""

    results: dict[str, image.Picture] = field(default_factory=dict)

    def add(self, measured: Measured) -> None:
        """Add a measurement; numbers that are not finite are left out."""
        self.numbers |= {
            name: rounded(number)
            for name, number in measured.numbers.items()
            if math.isfinite(number)
        }
        self.pictures |= measured.pictures
        self.tables |= measured.tables

    def write(self, *, results: Path, images: Path, confusion: Path) -> None:
        """Write results, pictures and tables, but not the numbers.

        results, images: folders. confusion: CSV file, without rows where parts are not known.
        """
        for name, picture in self.results.items():
            image.write(results / name, picture)
        for name, picture in self.pictures.items():
            image.write(images / f"{name}.png", picture)
        write_confusion(confusion, self.tables)


def evaluate(
    params: Params, *, models: Path, data: Path, device: torch.device | str = "cpu"
) -> Report:
    """Measure a model on the validation pictures, and on real drawings where there are any.

    data: the folder that the earlier stages wrote, see `load_evaluation_set`.
    The numbers are deterministic on one machine and device.
    Raises RefcolorError for missing weights or pictures, for an invalid tagger and for real
    drawings that cannot be used.
    """
    device = torch.device(device)
    torch.set_num_threads(params.train.threads)
    set_numerics(device)
    features = load_features(params.evaluate, device=device)
    tagger = load_tagger(Path(params.evaluate.tagger)) if params.evaluate.tagger else None
    pairs = read_real_pairs(Path(params.evaluate.pairs)) if params.evaluate.pairs else []
    generator = load_generator(models, device=device).to(memory_format=memory_format(device))
    evaluation_set = load_evaluation_set(data, params)
    predictions = Predictions(evaluation_set, generator, params.evaluate, device=device)
    real = real_drawings(Colorizer.load(models, device=str(device)), pairs) if pairs else Measured()
    report = measure(predictions, features=features, tagger=tagger)
    report.add(real)
    return report


def measure(predictions: Predictions, *, features: Features, tagger: Tagger | None) -> Report:
    """Take every measurement of the evaluation set."""
    report = Report()
    for measurement in measurements(features, tagger):
        report.add(measurement(predictions))
    ids, pairs = predictions.data.pictures.ids, predictions.data.pairs
    names = [result_name(ids[i], ids[j]) for i, j in pairs]
    report.results = dict(zip(names, predictions.cross_reference.pictures, strict=True))
    return report


def load_features(params: EvaluateParams, *, device: torch.device | str) -> Features:
    """Load the features that `evaluate.features` and `evaluate.fid` name."""
    if params.features == "inception":
        return Inception(resize=params.fid, device=device)
    return RandomConvolutions(device=device)


def rounded(number: float) -> float:
    """Round to 6 significant digits, because the last bits differ between machines."""
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}")
