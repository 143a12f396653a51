"""Tests of the GraphQL front: GraphQL text in, whole answers out."""
