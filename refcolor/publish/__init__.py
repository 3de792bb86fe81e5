"""What leaves the project: model cards, exports, provenance, take-downs."""
