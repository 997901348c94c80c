"""The audit trail: events, digests, and the checking of both."""
