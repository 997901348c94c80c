"""The pages about what was asked and decided before."""
