"""Writes LoopIn into the configuration files of MCP hosts, and takes it out again."""
