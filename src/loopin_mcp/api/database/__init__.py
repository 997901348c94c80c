"""SQLite and PostgreSQL behind one protocol, and the schema."""
