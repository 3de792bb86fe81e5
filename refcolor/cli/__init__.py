"""One module for each command: its docstring is the help, `add_arguments` and `run` do the rest.

What a command needs is imported when it runs: `refcolor --help` answers at once.
"""
