"""In which form a client wants its answer: one object, or a stream of events."""

from __future__ import annotations

from pet.domain.errors import Invalid

GRAPHQL_RESPONSE = "application/graphql-response+json"
"""The media type of GraphQL over HTTP; whoever asks for it can tell by the status whether an operation ran."""

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
"""GraphQL over Server-Sent Events, each operation on a connection of its own."""

_WILDCARDS = {"*/*": JSON, "application/*": JSON, "text/*": EVENT_STREAM}

_USUAL = {"": JSON, "*/*": JSON, JSON: JSON, GRAPHQL_RESPONSE: GRAPHQL_RESPONSE}
"""What most clients send, which need not be taken apart."""


class NotAcceptable(Invalid):
    """The client takes none of our media types."""


def preferred(accept: str) -> str:
    """Return the media type that an Accept header wants most; of several, the one that it names first.

    Without a header, and for whoever takes anything, it is `application/json`.

    Raises:
        NotAcceptable: it wants none that there is.
    """
    if accept in _USUAL:
        return _USUAL[accept]
    if not accept.strip():
        return JSON
    wanted = [found for item in accept.split(",") if (found := _wanted(item))]
    if not wanted:
        raise NotAcceptable(f"Answers are {GRAPHQL_RESPONSE}, {JSON} or {EVENT_STREAM}.")
    return max(wanted, key=lambda found: found[0])[1]


def of_an_object(accept: str) -> str:
    """Return the media type for an answer that is one object, whatever else the client would take."""
    try:
        found = preferred(accept)
    except NotAcceptable:
        return JSON
    if found != EVENT_STREAM:
        return found
    return GRAPHQL_RESPONSE if GRAPHQL_RESPONSE in accept.lower() else JSON


def _wanted(item: str) -> tuple[float, str] | None:
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    media_type = _WILDCARDS.get(name, name)
    quality = _quality(parameters)
    return (quality, media_type) if quality and media_type in {GRAPHQL_RESPONSE, JSON, EVENT_STREAM} else None


def _quality(parameters: list[str]) -> float:
    """Return the weight (RFC 9110, section 12.4.2); one that is malformed is none at all."""
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
