"""Metrics of coloured pictures, each a pure function."""
