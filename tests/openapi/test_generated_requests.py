"""Thousands of generated requests, alone and in sequences: the service keeps what its description promises.

The requests are the same in every run. `PET_TEST_GENERATED=10 .venv/bin/pytest tests/openapi` tries ten times as many.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import seed, settings
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis import GenerationMode
from schemathesis.core.transport import Response
from schemathesis.generation.stateful.state_machine import StepInput, StepOutput
from schemathesis.specs.openapi.checks import negative_data_rejection
from schemathesis.specs.openapi.schemas import OpenApiSchema

from pet.app import description
from tests.openapi.closing import operations_of
from tests.openapi.generated import TIMES, Case, Client, budget, load
from tests.openapi.in_process import ServiceInThread, service_in_thread
from tests.openapi.world import World, open_profiles, settle
from tests.setups import EMBEDDED, prepare_on

pytestmark = pytest.mark.slow

OPERATIONS = [operation["operationId"] for operation in operations_of(description())]

WITHOUT_PARAMETERS = {"isLive", "isReady", "getMetrics", "getKeys"}
"""One request is all that there is."""

NOTHING_TO_BREAK = WITHOUT_PARAMETERS | {"getProfileByUsername", "isFollowing"}
"""Any text will do in their paths."""

BROKEN = [name for name in OPERATIONS if name not in NOTHING_TO_BREAK]

FORMS = {"uploadAvatar", "uploadTrack", "uploadCover"}
"""Their fields are text on the wire, and an empty list is no field: what was broken may be whole when it is sent."""

CASES = 60 * TIMES
"""Of each operation, and as many that break the description."""

STEPS = 1500 * TIMES
"""In sequences."""

DONE_IN_SEQUENCES = {
    "register",
    "logIn",
    "refreshTokens",
    "logOut",
    "getProfile",
    "updateProfile",
    "uploadAvatar",
    "uploadTrack",
    "deleteFile",
    "follow",
    "unfollow",
    "getFeed",
}
"""What must have succeeded there at least once."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[ServiceInThread]:
    """One service for all cases of this module: it lives through whatever they leave behind."""
    with service_in_thread(tmp_path_factory.mktemp("generated"), prepare_on(EMBEDDED, request)) as running:
        yield running


@pytest.fixture(scope="module")
def world(served: ServiceInThread) -> World:
    """Who and what is there at the start."""
    return served.run(settle(served.service))


@pytest.fixture(scope="module")
def schema(served: ServiceInThread, world: World) -> OpenApiSchema:
    """The description."""
    return load(served, world)


@pytest.fixture
def client(served: ServiceInThread, world: World) -> Client:
    """A client that has sent nothing yet."""
    served.run(open_profiles(served.service, world))
    return Client(served, world)


def test_there_are_five_thousand_cases() -> None:
    assert CASES * (len(OPERATIONS) - len(WITHOUT_PARAMETERS) + len(BROKEN)) + STEPS >= 5000


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_answers_as_described(schema: OpenApiSchema, client: Client, name: str) -> None:
    client.run(schema, name, GenerationMode.POSITIVE, cases=CASES)
    assert client.sent >= (1 if name in WITHOUT_PARAMETERS else CASES)


@pytest.mark.parametrize("name", BROKEN)
def test_what_the_description_forbids_is_refused(schema: OpenApiSchema, client: Client, name: str) -> None:
    refused = [] if name in FORMS else [negative_data_rejection]
    client.run(schema, name, GenerationMode.NEGATIVE, *refused, cases=CASES)
    assert client.sent >= CASES


def test_what_is_linked_can_be_done_next(schema: OpenApiSchema, client: Client) -> None:
    followed: Counter[str] = Counter()
    newcomers = itertools.count()

    class Sequences(schema.as_state_machine()):  # type: ignore[misc]
        def step(self, given: StepInput) -> StepOutput:
            if given.transition is not None:
                followed[given.transition.id] += 1
            output: StepOutput = super().step(given)
            return output

        def call(self, case: Case, **kwargs: Any) -> Response:
            if case.operation.label == "POST /auth/register" and isinstance(case.body, dict):
                # A name can be taken only once, and sequences begin with someone who joins.
                number = next(newcomers)
                case.body = case.body | {"email": f"p{number}@example.com", "username": f"newcomer{number}"}
            return client.send(case)

        def validate_response(self, response: Response, case: Case, *args: Any, **kwargs: Any) -> None:
            client.check(case, response)

    for attempt in itertools.count():
        # What a sequence leaves behind changes what the next one meets. Hypothesis, for which the same draws must
        # always lead to the same, stops when it notices; another seed goes on.
        with suppress(FlakyStrategyDefinition):
            seed(attempt)(Sequences).run(settings=settings(budget(10), derandomize=False, stateful_step_count=20))
        if client.sent >= STEPS:
            break
    assert followed.total() >= STEPS // 4
    assert client.with_status(HTTPStatus.OK) >= DONE_IN_SEQUENCES
