"""The recipes for frameworks, with the real libraries and stand-ins for their models."""
