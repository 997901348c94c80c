"""The LoopIn API: REST, review page and storage."""
