"""What the subcommands of `loopin-mcp` do."""
