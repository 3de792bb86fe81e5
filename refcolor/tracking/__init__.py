"""Experiment tracking with MLflow: one training is one run, evaluation included.

The only package that imports mlflow, and only once a tracker is opened.
"""
