"""The MCP server over HTTP, in both eras, for many hosts at once."""
