"""The commands, a module each: its docstring is the help text, with `add_arguments` and `run`.

A command imports its modules in `run`, so that `refcolor --help` is fast.
"""
