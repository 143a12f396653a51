"""Every mutation, listed from the schema: without a token nothing is written, and never in another's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pet.schema.root import build_schema
from tests.conftest import PASSWORD, Person
from tests.media_factory import mp3, png
from tests.schema.operations import send_form
from tests.threats.conftest import Victim

PROVEN_OTHERWISE = {"register", "login", "refreshSession", "logout"}
"""They carry their proof in themselves, or make somebody new."""

Given = dict[str, Any]
File = bytes | None


def of_nothing(_: Victim) -> Given:
    """Return no arguments."""
    return {}


WRITES: dict[str, tuple[str, Callable[[Victim], Given], File, str | None]] = {
    "updateProfile": ("$input: UpdateProfileInput!", lambda _: {"input": {"bio": "mine now"}}, None, None),
    "uploadTrack": ("$file: Upload!", of_nothing, mp3(1.0), None),
    "uploadAvatar": ("$file: Upload!", of_nothing, png(), None),
    "uploadCover": ("$file: Upload!, $trackId: ID", lambda v: {"trackId": v.song}, png(), "NOT_FOUND"),
    "updateTrack": (
        "$fileId: ID!, $input: UpdateTrackInput!",
        lambda v: {"fileId": v.song, "input": {"title": "mine now"}},
        None,
        "NOT_FOUND",
    ),
    "deleteMedia": ("$fileId: ID!", lambda v: {"fileId": v.song}, None, "NOT_FOUND"),
    "follow": ("$userId: ID!", lambda v: {"userId": v.eve.user_id}, None, None),
    "unfollow": ("$userId: ID!", lambda v: {"userId": v.eve.user_id}, None, None),
    "acceptFollow": ("$followerId: ID!", lambda v: {"followerId": v.dan.user_id}, None, "NOT_FOUND"),
    "declineFollow": ("$followerId: ID!", lambda v: {"followerId": v.dan.user_id}, None, None),
    "block": ("$userId: ID!", lambda v: {"userId": v.eve.user_id}, None, None),
    "unblock": ("$userId: ID!", lambda v: {"userId": v.eve.user_id}, None, None),
    "exportMyData": ("", of_nothing, None, None),
    "revokeSessions": ("$keepCurrent: Boolean!", lambda _: {"keepCurrent": True}, None, None),
    "revokeSession": ("$sessionId: ID!", lambda _: {"sessionId": SESSION_OF_ANN}, None, "NOT_FOUND"),
    "changePassword": (
        "$input: ChangePasswordInput!",
        lambda _: {"input": {"oldPassword": PASSWORD, "newPassword": "another horse 2"}},
        None,
        None,
    ),
    "deleteAccount": (
        "$password: String!, $userId: ID",
        lambda v: {"password": "another horse 2", "userId": v.ann.user_id},
        None,
        "FORBIDDEN",
    ),
}
"""For each mutation its variables; a request that would change what is Ann's or, where a mutation names nobody, what is
the writer's own; the file that it takes; and the code by which Mallory is refused, None where all goes to herself. In
an order in which Mallory can do all: the account goes last."""

SESSION_OF_ANN = "session of Ann"


def test_every_mutation_is_looked_at() -> None:
    mutations = build_schema()._schema.mutation_type
    assert mutations is not None
    assert set(mutations.fields) == set(WRITES) | PROVEN_OTHERWISE


@pytest.fixture
async def session_of_ann(victim: Victim) -> str:
    """The id of a session of Ann's."""
    answer = await victim.service.graphql("{ me { sessions { id } } }", by=victim.ann)
    return str(answer["data"]["me"]["sessions"][0]["id"])


async def write(victim: Victim, name: str, session: str, headers: dict[str, str]) -> set[str]:
    """Send a mutation, and return the codes of all that was wrong."""
    declared, given, content, _ = WRITES[name]
    variables = {key: session if value is SESSION_OF_ANN else value for key, value in given(victim).items()}
    names = re.findall(r"\$(\w+)", declared)
    arguments = f"({', '.join(f'{variable}: ${variable}' for variable in names)})" if names else ""
    variables_declared = f"({declared})" if declared else ""
    query = f"mutation {variables_declared} {{ {name}{arguments} {{ userErrors {{ code }} }} }}"
    if content is None:
        response = await victim.service.client.post(
            "/graphql", json={"query": query, "variables": variables}, headers=headers
        )
    else:
        operations = {"query": query, "variables": {**variables, "file": None}}
        writer = Person("", "", "", headers.get("Authorization", "").removeprefix("Bearer "), "") if headers else None
        response = await send_form(
            victim.service, operations, {"0": ["variables.file"]}, {"0": ("a.bin", content)}, by=writer
        )
    answer = response.json()
    wrong = {error["extensions"]["code"] for error in answer.get("errors", [])}
    payload = (answer.get("data") or {}).get(name) or {"userErrors": []}
    return wrong | {error["code"] for error in payload["userErrors"]}


async def test_without_a_token_or_with_a_bad_one_no_mutation_writes(victim: Victim, session_of_ann: str) -> None:
    before = await victim.state()
    for name in WRITES:
        for headers in ({}, {"Authorization": "Bearer bad"}, {"Authorization": f"Bearer {victim.ann.refresh_token}"}):
            assert await write(victim, name, session_of_ann, headers) == {"UNAUTHENTICATED"}, (name, headers)
    assert await victim.state() == before


async def test_no_mutation_writes_in_anothers_name(victim: Victim, session_of_ann: str) -> None:
    before = await victim.state()
    for name, (_, _, _, refusal) in WRITES.items():
        codes = await write(victim, name, session_of_ann, victim.mallory.headers)
        assert codes == ({refusal} if refusal else set()), name
    *after, kept = await victim.state()
    assert after == before[:-1]
    assert set(before[-1]) <= set(kept)
    login = await victim.service.client.post("/auth/login", json={"email": victim.ann.email, "password": PASSWORD})
    assert login.status_code == 200
