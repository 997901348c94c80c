"""`loopin-mcp doctor`: finds what does not work, and says how to fix it."""
