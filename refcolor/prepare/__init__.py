"""What becomes of the pictures before training: cleaned, split and reported."""
