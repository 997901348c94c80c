"""Changing values: the form of a decision, its fields, and what differs afterwards."""
