"""A compiling executor of GraphQL: queries of a Strawberry schema as Python functions.

It knows Strawberry and graphql-core, and nothing of PET; `docs/graphql-executor.md` tells how it works.
"""
