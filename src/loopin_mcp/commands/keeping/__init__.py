"""`loopin-mcp backup`, `restore` and `migrate`: copies of a database, and what becomes of them."""
