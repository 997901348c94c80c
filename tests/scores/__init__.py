"""`make scores`: external test suites against this server, and one table of their results."""
