"""Functions of one picture, mapped over processes or machines."""
