"""Studies: a plan of trainings that are run one after another and compared by seed.

`plan` defines everything before the first run, `runner` writes a row for each run, `report` writes
tables and figures from the rows. A person writes the page about them.
"""
