"""A study: planned in words, run one training after another, compared by seed, told in a page.

`plan` says what is asked, `runner` makes a row for each run, `report` writes the page from rows.
"""
