"""The log, and the traces that join tool calls, requests and callbacks."""
