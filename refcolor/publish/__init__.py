"""Publishing: model cards, ONNX export, provenance and take-downs."""
