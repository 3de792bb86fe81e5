"""Experiment tracking with MLflow: one training is one run, evaluation included.

The only package that imports mlflow, and only once a tracker is opened.
"""

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
    "Status",
    "Tracker",
    "Training",
    "open_evaluation",
    "open_training",
]
