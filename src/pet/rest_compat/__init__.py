"""The REST front: every documented legacy route, kept alive by the resolvers that GraphQL uses.

`routes.py` is the table of contents. A handler parses, calls a resolver, and wraps the result in the documented
envelope.
"""
