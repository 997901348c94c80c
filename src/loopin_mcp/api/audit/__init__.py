"""The audit trail: events, digests, and their verification."""
