"""Files: pictures, atomic writes, locks, shards and tables."""
