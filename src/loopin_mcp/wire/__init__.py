"""The wire models: what requests and responses contain, and how they are checked."""
