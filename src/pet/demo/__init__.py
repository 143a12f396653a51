"""A small network to look around in: people, follows, and tracks that are composed and rendered here.

For newcomers, by `pet demo`. It goes through the same services as real use.
"""
