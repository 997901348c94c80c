"""The pages that humans see."""
