"""A study: planned in words, run one training after another, compared by seed.

`plan` holds what is fixed beforehand, `runner` makes a row for each run, `report` writes tables and
figures from the rows. A person writes the page about them.
"""
