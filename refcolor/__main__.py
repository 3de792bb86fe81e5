"""`python -m refcolor` is the command `refcolor`."""

from refcolor.cli.main import main

main()
