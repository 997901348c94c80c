"""The MCP server: its tools, prompts and forms, over stdio."""
