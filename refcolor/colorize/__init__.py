"""Colouring a drawing after a reference picture: reading it, filling it, keeping its lines."""
