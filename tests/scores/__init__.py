"""`make scores`: the suites of others against this server, and one table of what they say."""
