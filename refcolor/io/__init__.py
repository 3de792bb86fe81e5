"""Files: pictures, atomic writes, locks, shards, tables and caches."""
