"""Hostile operations from public lists: each is answered by an error for little CPU, while others go on.

The CPU of this process is counted, not the clock: what else runs on the machine does not matter. The bound is what an
operation may take, 0.1 seconds, on a machine three times as slow as those on which it takes half of that at most.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import time

import httpx
import pytest

from pet.schema.preparing import CACHE_BYTES
from pet.schema.root import DEFAULT_RULES, build_schema
from tests.conftest import Person, Service
from tests.setups import on_embedded

pytestmark = on_embedded

CPU_SECONDS = 0.3
MANY = 190


def chain(step: str, last: str) -> str:
    """Return fragments on a user that lead on to each other: `step` is what each says of the next one, `{}`."""
    steps = (f"fragment F{n} on User {{ {step.format(n + 1)} }}" for n in range(MANY - 1))
    return f"{{ me {{ ...F0 }} }} {' '.join(steps)} fragment F{MANY - 1} on User {{ {last} }}"


HOSTILE = {
    # the checks of graphql-cop
    "alias_overloading": "query cop { " + " ".join(f"alias{n}: __typename" for n in range(101)) + " }",
    "directive_overloading": "query cop { __typename " + "@aa" * 10 + " }",
    "field_duplication": "query cop { " + "__typename " * 500 + "}",
    "circular_introspection": "query cop { __schema { types { "
    + "fields { type { " * 4
    + "name"
    + " } }" * 4
    + " } } }",
    # floods
    "field_flood": "{ " + "__typename " * 3990 + "}",
    "token_flood": "{ " + "__typename " * 90_000 + "}",
    "unknown_fields": "{ me { " + " ".join(f"usernam{n}" for n in range(990)) + " } }",
    "unknown_arguments": "{ me { profile { " + " ".join(f"tracks(a{n}: 1)" for n in range(500)) + " } } }",
    "aliases_of_login": "mutation { "
    + " ".join(f'l{n}: login(input: {{email: "a", password: "b"}}) {{ userErrors {{ code }} }}' for n in range(1000))
    + " }",
    "directive_flood": "{ __typename " + "@skip(if: false) " * 600 + "}",
    "directives_everywhere": "{ me { " + "username @include(if: true) " * 400 + "} }",
    "variable_flood": "query (" + " ".join(f"$v{n}: Int" for n in range(990)) + ") { __typename }",
    "operation_flood": " ".join(f"query Q{n} {{ __typename }}" for n in range(900)),
    "schema_flood": "{ " + " ".join(f"s{n}: __schema {{ types {{ name }} }}" for n in range(90)) + " }",
    "type_flood": "{ " + " ".join(f't{n}: __type(name: "User") {{ name }}' for n in range(90)) + " }",
    "comments": "#\n" * 49_000 + "{ nobody }",
    "spaces": ", " * 49_000 + "{ nobody }",
    "long_string": '{ nobody(a: "' + "x" * 90_000 + '") }',
    "block_string": '{ nobody(a: """' + "\n  " * 30_000 + '""") }',
    "escapes": '{ nobody(a: "' + r"\u0041" * 16_000 + '") }',
    # recursion
    "deep_query": "{ me " + "{ profile { tracks { edges { node { owner " * 20 + "{ bio }" + " } } } } }" * 20 + " }",
    "deep_braces": "{a" * 5000,
    "deep_list": "{ a(b: " + "[" * 5000 + "]" * 5000 + ") }",
    "deep_object": "{ a(b: " + "{c: " * 5000 + "1" + "}" * 5000 + ") }",
    "deep_inline_fragments": "{ " + "... { " * 900 + "__typename" + " }" * 900 + " }",
    "circular_fragments": "{ me { ...A } } fragment A on User { ...B } fragment B on User { ...A }",
    "long_circle": chain("...F{}", "...F0"),
    "fragment_of_itself": "{ me { ...A } } fragment A on User { profile { ...A } ...A }",
    # what grows with every step
    "doubling_spreads": chain("...F{0} ...F{0}", "username"),
    "doubling_aliases": chain("a: profile {{ userId }} ...F{0} ... {{ ...F{0} }}", "username"),
    "unused_doubling": "{ __typename } " + chain("...F{0} ...F{0}", "username").replace("{ me { ...F0 } }", ""),
    # what is compared with everything beside it
    "repeated_objects": "{ " + "profiles { edges { node { username } } } " * 450 + "}",
    "repeated_inline": "{ me { " + "... { profile { username bio } } " * 320 + "} }",
    "repeated_deep": "{ me { profile { " + "... { tracks { edges { node { owner { bio } } } } } " * 120 + "} } }",
    "repeated_fragments": "{ me { "
    + " ".join(f"...F{n}" for n in range(MANY))
    + " } } "
    + " ".join(f"fragment F{n} on User {{ profile {{ username bio }} }}" for n in range(MANY)),
    "repeated_arguments": "{ profile(" + "by: {username: 1} " * 400 + ") { bio } }",
    "repeated_input_fields": "{ profile(by: {" + "username: 1 " * 1200 + "}) { bio } }",
    # lists
    "huge_page": "{ profiles(first: 1000000000) { edges { cursor } } }",
    "pages_within_pages": "{ profiles(first: 100) { edges { node { "
    + "followers(first: 100) { edges { node { " * 3
    + "bio"
    + " } } }" * 3
    + " } } } }",
    "huge_list": "mutation { updateProfile(input: {genres: ["
    + '"a" ' * 3900
    + "]}) { profile { bio } userErrors { a } } }",
    "huge_number": "{ profiles(first: " + "9" * 50_000 + ") { totalCount } }",
}

BODIES = {
    "batch": json.dumps([{"query": "{ __typename }"}] * 10_000).encode(),
    "variables_list": json.dumps(
        {"query": "query ($a: [Int!]) { __typename }", "variables": {"a": [1] * 300_000}}
    ).encode(),
    "variables_tree": b'{"query": "{ __typename }", "variables": {"a": [' + b"[[]]," * 150_000 + b"[]]}}",
    "variables_deep": b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}}",
    "operation_name": json.dumps({"query": "{ __typename }", "operationName": "x" * 900_000}).encode(),
    "document": json.dumps({"query": "{ a }" + " " * 900_000}).encode(),
}


async def cpu_of(service: Service, body: bytes) -> float:
    """Send a body that must be refused, and return the CPU that the whole process took for it."""
    gc.collect()
    started = time.process_time()
    response = await service.client.post("/graphql", content=body, headers={"content-type": "application/json"})
    spent = time.process_time() - started
    assert response.status_code in {200, 400}
    answer = response.json()
    assert not answer.get("data"), answer
    assert 1 <= len(answer["errors"]) <= 12
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"INVALID"}
    return spent


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_document_is_denied_for_little(service: Service, name: str) -> None:
    assert await cpu_of(service, json.dumps({"query": HOSTILE[name]}).encode()) < CPU_SECONDS


@pytest.mark.parametrize("name", BODIES)
async def test_a_hostile_body_is_denied_for_little(service: Service, name: str) -> None:
    assert await cpu_of(service, BODIES[name]) < CPU_SECONDS


async def test_a_normal_client_goes_on_undisturbed(service: Service, live: str, ann: Person) -> None:
    """Four attackers send without a pause; none of them is answered often before the normal client is."""
    answered = 0

    async def attack(client: httpx.AsyncClient, number: int) -> None:
        nonlocal answered
        for query in itertools.cycle(HOSTILE.values()):
            await client.post("/graphql", json={"query": f"{query} # {number} {answered}"})
            answered += 1

    async with httpx.AsyncClient(base_url=f"http://{live}", trust_env=False, timeout=60) as client:
        attackers = [asyncio.create_task(attack(client, number)) for number in range(4)]
        between = []
        for _ in range(20):
            before = answered
            response = await client.post("/graphql", json={"query": "{ me { username } }"}, headers=ann.headers)
            assert response.json() == {"data": {"me": {"username": "ann"}}}
            between.append(answered - before)
        for attacker in attackers:
            attacker.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
    assert answered > 20
    assert max(between) <= 5 * len(attackers), between


async def test_strangers_documents_do_not_fill_the_memory(service: Service) -> None:
    kept = build_schema(DEFAULT_RULES).preparer._prepared
    for number in range(60):
        names = " ".join(f"a{number}b{field}" for field in range(950))
        await service.graphql(f"{{ me {{ {names} }} }}")
    assert CACHE_BYTES / 2 < kept.size_bytes <= CACHE_BYTES
    before = len(kept)
    await service.graphql("{ me { oneMoreOfMine } }")
    assert len(kept) <= before + 1
