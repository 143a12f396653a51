"""The engines, each in a folder of its own."""
