"""One file for each command or family; `add` gives its parser and what it runs.

Whatever a command needs is imported when it runs: `refcolor --help` answers at once.
"""
