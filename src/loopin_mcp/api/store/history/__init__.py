"""What was asked and decided before: figures, precedents, exports."""
