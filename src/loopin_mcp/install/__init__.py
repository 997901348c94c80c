"""Writes LoopIn into the configuration files of MCP hosts, and removes it again."""
