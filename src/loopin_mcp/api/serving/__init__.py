"""Serves the API on a socket."""
