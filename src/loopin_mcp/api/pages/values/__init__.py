"""Renders the values of a request's context by what they are."""
