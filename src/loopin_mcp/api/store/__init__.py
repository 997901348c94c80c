"""The store: all SQL on interrupts."""
