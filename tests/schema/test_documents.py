"""Documents by their hash: automatic persisted queries, persisted documents, and lists of trusted ones."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import (
    DocumentNode,
    OperationDefinitionNode,
    build_schema,
    parse,
    print_ast,
    strip_ignored_characters,
    validate,
)

from pet.schema.trusted import canonical_operations, hash_of, trusted_operations, trusted_texts
from tests.conftest import Person, Service, StartService
from tests.schema.operations import DOCUMENT, NAMES, run
from tests.schema.talking import greet, hear, say, serving, talking

pytestmark = pytest.mark.usefixtures("fresh_schema")

QUERY = "query Mine { mine: __typename }"
ME = "query Me { me { username } }"
BOTH_TYPES = "application/graphql-response+json, application/json;q=0.9"


def persisted(text: str) -> dict[str, Any]:
    """The extension of Apollo's clients."""
    return {"persistedQuery": {"version": 1, "sha256Hash": hash_of(text)}}


async def post(service: Service, *, by: Person | None = None, **parameters: Any) -> httpx.Response:
    """Send parameters by POST."""
    return await service.client.post("/graphql", json=parameters, headers=by.headers if by else {})


def refusal_of(response: httpx.Response) -> tuple[int, str, str]:
    """Return the status, the code and the message of a refused request."""
    (error,) = response.json()["errors"]
    assert "data" not in response.json()
    return response.status_code, error["extensions"]["code"], error["message"]


NOT_FOUND = (200, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")


async def test_a_text_that_was_sent_with_its_hash_is_run_by_the_hash_alone(service: Service) -> None:
    assert refusal_of(await post(service, extensions=persisted(QUERY))) == NOT_FOUND
    for query in (QUERY, None, ""):
        response = await post(service, query=query, extensions=persisted(QUERY))
        assert response.json() == {"data": {"mine": "Query"}}
    by_get = {"extensions": json.dumps(persisted(QUERY)), "operationName": "Mine", "variables": ""}
    assert (await service.client.get("/graphql", params=by_get)).json() == {"data": {"mine": "Query"}}


async def test_who_knows_the_media_type_gets_a_400_for_an_unknown_hash(service: Service) -> None:
    response = await service.client.post(
        "/graphql", json={"extensions": persisted("{ other: __typename }")}, headers={"accept": BOTH_TYPES}
    )
    assert refusal_of(response) == (400, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")


async def test_a_hash_that_is_not_that_of_the_text_registers_nothing(service: Service) -> None:
    wrong = persisted("{ another: __typename }")
    status, code, message = refusal_of(await post(service, query=QUERY, extensions=wrong))
    assert (status, code) == (400, "INVALID")
    assert message.startswith("The hash is not that of the document")
    assert refusal_of(await post(service, extensions=wrong)) == NOT_FOUND


@pytest.mark.parametrize(
    "extension",
    [
        1,
        "x",
        [],
        {},
        {"sha256Hash": hash_of(QUERY)},
        {"version": 2, "sha256Hash": hash_of(QUERY)},
        {"version": 1, "sha256Hash": 5},
        {"version": 1, "sha256Hash": "abc"},
        {"version": 1, "sha256Hash": hash_of(QUERY).upper()},
    ],
    ids=repr,
)
async def test_a_malformed_hash_is_a_400(service: Service, extension: Any) -> None:
    status, code, _ = refusal_of(await post(service, query=QUERY, extensions={"persistedQuery": extension}))
    assert (status, code) == (400, "INVALID")


@pytest.mark.parametrize("prefix", ["sha256:", ""])
async def test_a_persisted_document_is_named_by_its_id(service: Service, prefix: str) -> None:
    text = f"query Named {{ named: __typename }} # {prefix}"
    identifier = prefix + hash_of(text)
    assert refusal_of(await post(service, documentId=identifier)) == NOT_FOUND
    assert (await post(service, documentId=identifier, query=text)).json() == {"data": {"named": "Query"}}
    assert (await post(service, documentId=identifier)).json() == {"data": {"named": "Query"}}
    by_get = await service.client.get("/graphql", params={"documentId": identifier})
    assert by_get.json() == {"data": {"named": "Query"}}
    for odd in ("md5:1", "x-mine:1", "", 5):
        assert refusal_of(await post(service, documentId=odd))[:2] == (400, "INVALID"), odd


async def test_the_apps_operations_are_known_by_their_hash_without_being_sent(service: Service, ann: Person) -> None:
    variables = {"by": {"username": "ann"}}
    for text in (DOCUMENT, single("ProfilePage")):
        answer = await post(
            service, documentId=f"sha256:{hash_of(text)}", operationName="ProfilePage", variables=variables
        )
        assert answer.json()["data"]["profile"]["userId"] == ann.user_id


async def test_a_mutation_by_get_is_refused_by_its_hash_as_well(service: Service, ann: Person) -> None:
    params = {"documentId": hash_of(single("Logout")), "variables": json.dumps({"refreshToken": ann.refresh_token})}
    response = await service.client.get("/graphql", params=params)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert (await run(service, "RefreshSession", {"refreshToken": ann.refresh_token}))["session"]


# ---------------------------------------------------------------- trusted documents alone


@pytest.fixture
async def strict(start_service: StartService) -> Service:
    """A service that runs trusted documents alone."""
    service: Service = await start_service(graphql_documents="trusted")
    return service


def single(name: str) -> str:
    """Return one operation of the contract as Apollo Client sends it: alone, printed, `__typename` in every object."""
    return next(
        text
        for text in trusted_texts().values()
        if text.startswith((f"query {name}", f"mutation {name}"))
        if "\n" in text and text.count("query ") + text.count("mutation ") == 1 and "__typename" in text
    )


def test_the_trusted_documents_are_the_contract() -> None:
    shipped = files("pet.schema").joinpath("operations.graphql").read_text()
    assert shipped == DOCUMENT
    named = {
        node.name.value
        for text in trusted_operations()
        for node in parse(text).definitions
        if isinstance(node, OperationDefinitionNode) and node.name
    }
    assert named == {*NAMES, "Welcome"}


async def test_the_welcome_page_works_on_a_server_with_a_list(strict: Service) -> None:
    page = (await strict.client.get("/")).text
    found = re.search(r"const QUERY = `([^`]+)`", page)
    assert found is not None
    answer = (await post(strict, query=found[1], variables={"people": 2, "tracks": 2})).json()
    assert list(answer) == ["data"]


def test_every_form_of_a_trusted_document_is_valid_and_has_its_own_hash() -> None:
    schema = build_schema((Path(__file__).parents[2] / "schema.graphql").read_text())
    texts = trusted_texts()
    assert len(texts) > 6 * len(NAMES)
    for digest, text in texts.items():
        document = parse(text)
        assert digest == hash_of(text)
        assert validate(schema, document) == []
        assert trusted_operations().issuperset(canonical_operations(document))


async def test_what_is_not_on_the_list_is_refused_and_not_registered(strict: Service) -> None:
    sentence = "This server runs only the documents on its list, and this is none of them."
    one_more = f"{DOCUMENT}\nquery Mine {{ me {{ userId }} }}"
    changed = single("Me").replace("email", "email userId")
    for query in (
        QUERY,
        ME,
        "{ __schema { queryType { name } } }",
        "{",
        "fragment A on User { email }",
        one_more,
        changed,
    ):
        response = await post(strict, query=query, operationName="Me" if query == one_more else None)
        assert refusal_of(response) == (403, "FORBIDDEN", sentence), query
        assert refusal_of(await post(strict, query=query, extensions=persisted(query)))[1] == "FORBIDDEN"
        assert refusal_of(await post(strict, extensions=persisted(query))) == NOT_FOUND


async def test_the_app_runs_its_operations_in_any_form(strict: Service) -> None:
    ann = await strict.register("ann")
    whole = DOCUMENT
    apollo = single("Me")
    minified = strip_ignored_characters(apollo)
    reordered = print_ast(parse(" ".join(reversed(print_ast(parse(apollo)).split("\n\n")))))
    commented = f"# what another tool adds\n{apollo}"
    for query in (whole, apollo, minified, reordered, commented):
        answer = (await post(strict, query=query, operationName="Me", by=ann)).json()
        assert answer["data"]["me"]["username"] == "ann"
        by_hash = (await post(strict, extensions=persisted(query), operationName="Me", by=ann)).json()
        assert by_hash["data"]["me"]["username"] == "ann"


async def test_a_text_is_compared_once(strict: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def counted(text: str, **options: Any) -> DocumentNode:
        seen.append(text)
        return parse(text, **options)

    monkeypatch.setattr("pet.schema.preparing.parse", counted)
    commented = f"# compared once\n{single('Me')}"
    for _ in range(3):
        assert (await post(strict, query=commented)).json() == {"data": {"me": None}}
    assert len(seen) == 2  # once to compare, once to prepare


async def test_a_socket_takes_documents_by_their_hash(strict: Service) -> None:
    ann = await strict.register("ann")
    async with serving(strict.app) as address, talking(address) as socket:
        await greet(socket, ann)

        async def ask(**payload: Any) -> dict[str, Any]:
            await say(socket, "subscribe", id="q", payload=payload)
            message = await hear(socket)
            if message["type"] == "next":
                assert await hear(socket) == {"type": "complete", "id": "q"}
            return message

        for known in ({"documentId": hash_of(single("Me"))}, {"query": "", "extensions": persisted(single("Me"))}):
            assert (await ask(**known))["payload"]["data"]["me"]["username"] == "ann"
        unknown = await ask(extensions=persisted(QUERY))
        assert unknown == {
            "type": "error",
            "id": "q",
            "payload": [
                {"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}},
            ],
        }
        refused = await ask(query=QUERY)
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "FORBIDDEN")
        assert (await ask(documentId=hash_of(single("Me"))))["type"] == "next"
