"""`loopin-mcp backup` and `restore`: copies of a database, and what becomes of them."""
