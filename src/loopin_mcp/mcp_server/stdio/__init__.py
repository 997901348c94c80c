"""The pipe between the MCP server and its host."""
