"""The settings and their checks."""
