"""Everything that is asked for over a network passes here: who is asked, how often, what counts."""
