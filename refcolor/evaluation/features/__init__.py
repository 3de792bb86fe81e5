"""Frozen networks whose features and tags the metrics compare."""
