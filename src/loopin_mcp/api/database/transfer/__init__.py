"""Moves a SQLite database into PostgreSQL."""
