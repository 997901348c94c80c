"""`loopin-mcp doctor`: finds out what keeps LoopIn from working, and says what helps."""
