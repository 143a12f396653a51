"""The description of the whole REST surface: the table of routes, and what others serve beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version

from pet.openapi.document import Document
from pet.openapi.operations import Bytes, Placed
from pet.openapi.schemas import Json
from pet.rest_compat.routes import ADDED_ROUTES, ROUTES
from pet.rest_compat.shapes import InPaths, OfPages

TAGS = {
    "Authentication": "Accounts and sessions.",
    "Users": "Profiles, and what belongs to them.",
    "Media": "Audio and images, in and out.",
    "Social": "Following, and what one hears of it.",
    "Operations": "For supervisors and monitoring systems.",
}

_TAG_OF_SECTION = dict(zip("1234", TAGS, strict=False))

TEXT = """\
The documented routes of PET, the backend of a music network. There is also [GraphQL](graphql), which can do more.

**Who may write.** Reads are open. A write needs the header `Authorization: Bearer <accessToken>` of the user whom the
request names as `userId` or `followerId`; an admin may name anyone.

**Answers.** Success is 200 (206 for ranges) with `{"success": true, ...}`; every error is
`{"success": false, "error": "<one sentence>"}`. Beside the errors of each operation there are 404 for an unknown path,
405 for a method that a path does not have (`Allow` lists those that it has), 400 for what is no proper HTTP, 429 for
too many connections, and 431 for a head of more than 64 KB. Every path that answers GET answers HEAD.

**Lists** are complete, newest first. With `limit` and `cursor` they come in pages, and `Link` has the next page's URL.

**Limits** of requests are counted by client address, and logins by account too; GraphQL spends the same budgets.
"""


def describe(others: Sequence[Placed] = ()) -> Json:
    """Return the OpenAPI document of the legacy routes and of others."""
    document = Document(
        info={
            "title": "PET",
            "version": version("pet-music"),
            "summary": "The REST API of a music network.",
            "description": TEXT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        tags=TAGS,
        in_paths=InPaths,
        of_pages=OfPages,
    )
    return document.of([*_legacy(), *others])


def _legacy() -> Iterator[Placed]:
    for route in (*ROUTES, *ADDED_ROUTES):
        about, tag = route.operation.about, _TAG_OF_SECTION[route.section[0]]
        yield Placed(route.method, route.template, route.id, tag, about)
        if isinstance(about.answer, Bytes):
            yield Placed("HEAD", route.template, route.id.replace("get", "head", 1), tag, about)
