"""Map a function over pictures, in local processes or on a Dask cluster."""
