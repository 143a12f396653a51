"""OpenAPI 3.1: how a route says what it takes and answers, and the document that is made of it.

`operations` is for those who write handlers, `schemas` turns types into JSON Schema, `document` puts all together.
"""
