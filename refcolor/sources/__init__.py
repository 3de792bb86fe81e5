"""Where pictures come from. Every source yields the same records."""
