"""Requests to web servers: one rate limit, one set of allowed hosts, retries for all of them."""
