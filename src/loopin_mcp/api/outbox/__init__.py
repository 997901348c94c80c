"""The outbox: delivery of callbacks and notifications."""
