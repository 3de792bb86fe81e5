"""Requests to web servers, with a shared rate limit, allowed hosts and retries."""
