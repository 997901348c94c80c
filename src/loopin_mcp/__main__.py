"""python -m loopin_mcp."""

from loopin_mcp.cli import main

main(prog_name="python -m loopin_mcp")
