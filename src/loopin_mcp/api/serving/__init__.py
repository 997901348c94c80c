"""Serves the API with uvicorn."""
