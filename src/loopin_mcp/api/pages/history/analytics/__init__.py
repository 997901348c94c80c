"""The analytics page and its charts."""
