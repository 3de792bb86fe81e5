"""Scripts that make training data out of art with a free licence; README.md lists them."""
