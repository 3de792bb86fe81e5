"""Reference-based sketch colouring: Lee et al. (CVPR 2020), made right and repeatable."""

__version__ = "0.1.0"
