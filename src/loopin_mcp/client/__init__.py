"""The client of a LoopIn API."""
