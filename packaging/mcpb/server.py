"""Starts the MCP server of the bundle."""

from loopin_mcp.cli import main

main()
