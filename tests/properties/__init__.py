"""Histories that nobody thought of: any order of changes by several people, against a model that fits on a page."""
