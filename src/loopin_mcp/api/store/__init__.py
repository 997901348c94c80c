"""All SQL on interrupts."""
