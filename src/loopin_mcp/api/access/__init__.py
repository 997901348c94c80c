"""Access: keys, sessions and limits."""
