"""Numbers that say how well a picture was coloured, each a pure function."""
