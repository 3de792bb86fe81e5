"""Experiment tracking with MLflow: one training is one run, evaluation included.

The only package that imports mlflow, and only once a tracker is opened.
"""

from refcolor.tracking.find import Run, find_by_key, find_by_name
from refcolor.tracking.session import (
    STUDY_VARIABLE,
    Training,
    open_evaluation,
    open_training,
)
from refcolor.tracking.tracker import NullTracker, Status, Tracker

__all__ = [
    "STUDY_VARIABLE",
    "NullTracker",
    "Run",
    "Status",
    "Tracker",
    "Training",
    "find_by_key",
    "find_by_name",
    "open_evaluation",
    "open_training",
]
