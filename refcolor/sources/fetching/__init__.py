"""Fetching the pictures of a manifest: drawn, copied from a folder, or downloaded."""
