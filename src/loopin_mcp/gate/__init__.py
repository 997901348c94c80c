"""The gate: asks a human before a host runs a tool."""
