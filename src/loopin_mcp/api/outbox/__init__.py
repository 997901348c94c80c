"""Callbacks and notifications."""
