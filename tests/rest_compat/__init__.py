"""The REST front, as its clients see it."""
