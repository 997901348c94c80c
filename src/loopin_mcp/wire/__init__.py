"""The models that go over the wire, and how they are read."""
