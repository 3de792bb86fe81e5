"""Fetching the pictures of a manifest: draw, copy from a folder, or download."""
