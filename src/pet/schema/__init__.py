"""The GraphQL front: types, resolvers by noun, errors, uploads, the HTTP and WebSocket endpoint.

A resolver is a function at the top level of its noun's module. The GraphQL fields and the legacy routes call the same
ones.
"""
