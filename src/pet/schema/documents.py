"""Which document a request means: by its text, or by the hash of a text that the server knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from graphql import DocumentNode, GraphQLError

from pet.domain.errors import Forbidden, Invalid
from pet.memory_cache import MemoryCache
from pet.schema.errors import PersistedQueryNotFound
from pet.schema.trusted import canonical_operations, hash_of, trusted_operations, trusted_texts

REGISTERED_BYTES = 8 * 1024 * 1024
"""Of texts that clients have registered; what is forgotten is asked for again."""

ENTRY_BYTES = 500
"""What an entry takes beside its text."""

MAX_COMPARED = 20_000
"""Characters of a text that is compared with the trusted ones, of which the longest has about 9,000."""

_HASH = re.compile("(?:sha256:)?([0-9a-f]{64})")


class Documents:
    """Knows the trusted documents, and those that clients have registered by sending text and hash together.

    Args:
        parse: how to parse a document that nobody has looked at.
        trusted_only: whether only trusted documents are run, and so registered.
    """

    def __init__(self, parse: Callable[[str], DocumentNode], *, trusted_only: bool) -> None:
        self._parse = parse
        self._trusted_only = trusted_only
        self._registered: MemoryCache[str, str] = MemoryCache(REGISTERED_BYTES)

    def text_of(self, query: str | None, document_id: str | None, extensions: Mapping[str, Any] | None) -> str:
        """Return the text of the document that a request means.

        Args:
            query: the text.
            document_id: `sha256:` and the hash, or the hash alone: a persisted document of GraphQL over HTTP.
            extensions: with `persistedQuery`, which has the hash: Apollo's automatic persisted queries.
        Raises:
            Invalid: there is neither text nor hash, or the hash is malformed, or not that of the text.
            PersistedQueryNotFound: nobody has sent the text of the hash.
            Forbidden: the document is not trusted, and only such are run.
        """
        digest = _digest(document_id) if document_id is not None else _persisted_digest(extensions)
        if not query:
            return self._found(digest)
        if digest is not None and digest != hash_of(query):
            raise Invalid("The hash is not that of the document: SHA-256 of its text as UTF-8, in lower-case digits.")
        if self._trusted_only:
            self._require_trusted(query)
        elif digest is not None:
            self._register(digest, query)
        return query

    def _found(self, digest: str | None) -> str:
        if digest is None:
            raise Invalid("The request has no document: send query, or its hash as documentId.", field="query")
        text = trusted_texts().get(digest) or self._registered.get(digest)
        if text is None:
            raise PersistedQueryNotFound
        return text

    def _require_trusted(self, query: str) -> None:
        """Refuse a text that is none of the trusted ones; one that is so in other words is known from then on."""
        digest = hash_of(query)
        if digest in trusted_texts() or self._registered.get(digest):
            return
        if not self._is_trusted(query):
            raise Forbidden("This server runs only the documents on its list, and this is none of them.")
        self._register(digest, query)

    def _is_trusted(self, query: str) -> bool:
        if len(query) > MAX_COMPARED:
            return False
        try:
            operations = list(canonical_operations(self._parse(query)))
        except (GraphQLError, Invalid):
            return False
        return bool(operations) and trusted_operations().issuperset(operations)

    def _register(self, digest: str, query: str) -> None:
        self._registered.add(digest, query, size_bytes=4 * len(query) + ENTRY_BYTES)


def _persisted_digest(extensions: Mapping[str, Any] | None) -> str | None:
    match (extensions or {}).get("persistedQuery"):
        case None:
            return None
        case {"version": 1, "sha256Hash": str(digest)}:
            return _digest(digest)
        case _:
            raise Invalid(
                'extensions.persistedQuery must be {"version": 1, "sha256Hash": ...}.',
                field="extensions.persistedQuery",
            )


def _digest(identifier: str) -> str:
    found = _HASH.fullmatch(identifier)
    if found is None:
        raise Invalid("A document is identified by its SHA-256 hash, 64 lower-case hexadecimal digits.")
    return found[1]
