"""Copies SQLite databases, to other files and into PostgreSQL."""
