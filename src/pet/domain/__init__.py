"""The rules of the network: entities, services by noun, repository protocols, events, errors, visibility.

Nothing here knows HTTP, SQL, GraphQL or JSON; only the standard library is imported.
"""
