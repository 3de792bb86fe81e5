"""Colouring a drawing after a reference picture, with the drawing's own lines."""
