"""Requests that Schemathesis makes from the description, sent as somebody, and each answer held against it.

No answer may be a failure of the server's, have a status, a media type or a header that is not described, or a shape
outside of the description, where a field too many counts as well.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.openapi.closing import closed
from tests.openapi.in_process import ServiceInThread
from tests.openapi.world import FILES, World

BASE = "http://localhost:3000"

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

TIMES = int(os.environ.get("PET_TEST_GENERATED", "1"))
"""How many times the usual number of cases to try: more find more, but take as much longer."""

Case = schemathesis.Case[Any]


def budget(cases: int) -> settings:
    """Return settings for so many cases, the same ones in each run; a failure is shown as it was found."""
    return settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )


def load(served: ServiceInThread, world: World) -> OpenApiSchema:
    """Return the description as it is served, made strict, with values that lead somewhere."""
    document = closed(served.session().get(f"{BASE}/openapi.json").json())
    nobody = "01890a5d-ac96-774b-bcce-b302099a8057"
    schemathesis.openapi.format("uuid", st.sampled_from([*world.user_ids * 3, *world.file_ids * 2, nobody]))
    schemathesis.openapi.format("binary", st.sampled_from(FILES) | st.binary(max_size=64))
    tags = [f'"{file_id}"' for file_id in world.file_ids]
    examples = {
        "username": world.usernames,
        "Range": ["bytes=0-", "bytes=-5", "bytes=2-9", "bytes=0-1,5-6", "bytes=99999999-", "bytes=x", "lines=0-1"],
        "If-Range": tags,
        "If-None-Match": [*tags, "*", ", ".join(tags)],
        "If-Match": [*tags, "*"],
        **dict.fromkeys(("id", "userId", "followerId", "followingId", "viewerId"), world.user_ids),
        **dict.fromkeys(("trackId", "fileId"), world.file_ids),
    }
    for name, values in examples.items():
        document["components"]["parameters"][name]["schema"]["examples"] = values
    document["components"]["schemas"]["CoverForm"]["properties"]["trackId"]["examples"] = world.file_ids
    schema = schemathesis.openapi.from_dict(document, config=schemathesis.Config())
    schema.config.generation.update(with_security_parameters=False)
    return schema


class Client:
    """Sends cases as whoever they name; `outcomes` counts operations and statuses."""

    def __init__(self, served: ServiceInThread, world: World) -> None:
        self._session = served.session()
        self._world = world
        self.outcomes: Counter[tuple[str, int]] = Counter()

    @property
    def sent(self) -> int:
        """How many cases were sent."""
        return self.outcomes.total()

    def with_status(self, status: int) -> set[str]:
        """Return the operations that were answered so."""
        return {name for name, answered in self.outcomes if answered == status}

    def send(self, case: Case) -> Response:
        """Send a case; what it lets someone in with is remembered."""
        response = case.call(session=self._session, base_url=BASE, headers=self._world.authorization(_named(case)))
        self._world.learn(response.status_code, response.content)
        self.outcomes[case.operation.definition.raw["operationId"], int(response.status_code)] += 1
        return response

    def check(self, case: Case, response: Response, *more: CheckFunction) -> None:
        """Fail when the answer is not as described."""
        case.validate_response(response, checks=[*CHECKS, *more])

    def run(self, schema: OpenApiSchema, name: str, mode: GenerationMode, *checks: CheckFunction, cases: int) -> None:
        """Send so many cases of one operation, and check the answers."""

        @budget(cases)
        @given(schema.find_operation_by_id(name).as_strategy(mode))
        def answers_as_described(case: Case) -> None:
            self.check(case, self.send(case), *checks)

        answers_as_described()


def _named(case: Case) -> str | None:
    """Return whom a case acts for, or the file that it deletes, where it says so."""
    body = case.body if isinstance(case.body, dict) else {}
    said: dict[str, Any] = {**(case.path_parameters or {}), **body}
    names = ["userId"] if "upload" in case.path else ["followerId", "id", "fileId", "trackId"]
    return next((said[name] for name in names if isinstance(said.get(name), str)), None)
