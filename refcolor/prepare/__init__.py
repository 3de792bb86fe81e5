"""Preparation of the dataset before training: cleaning, the split and the data report."""
