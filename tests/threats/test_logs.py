"""What is secret, sent everywhere in every way: no line of the log holds it, at the most talkative level."""

from __future__ import annotations

import inspect
import io
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import httpx
import pytest

from pet.logs import configure_logging
from pet.rest_compat.routes import ROUTES
from pet.schema.root import build_schema
from tests.conftest import Person, RunningService, Service, StartService
from tests.e2e.server import serve
from tests.media_factory import mp3
from tests.schema.talking import close_code, say, talking

PASSWORD = "canary-Password-7391"
CHANGED = "canary-Changed-8812"
WRONG = "canary-Wrong-5530"
EMAIL = "canary.mail@inbox.example"
SECRET_KEY = "canary-key-" + "k" * 32
OPAQUE = "canary-opaque-token-4410"
"""A token of no known form, as a client may send by mistake."""


@dataclass
class Canaries:
    """All that is secret so far."""

    secrets: set[str] = field(default_factory=lambda: {PASSWORD, CHANGED, WRONG, EMAIL, SECRET_KEY, OPAQUE})
    statuses: list[int] = field(default_factory=list)

    def note(self, response: httpx.Response) -> Any:
        """Remember the tokens and the signatures of an answer."""
        self.statuses.append(response.status_code)
        try:
            answer = response.json()
        except ValueError:
            return None
        self._collect(answer)
        return answer

    def found_in(self, log: str) -> set[str]:
        """Return what the log betrays, in any spelling."""
        spellings = {secret: {secret, quote(secret), quote_plus(secret)} for secret in self.secrets}
        return {secret for secret, forms in spellings.items() if any(form in log for form in forms)}

    def _collect(self, value: object, key: str = "") -> None:
        match value:
            case dict():
                for inner, item in value.items():
                    self._collect(item, inner)
            case list():
                for item in value:
                    self._collect(item, key)
            case str() if key.endswith("Token"):
                self.secrets.add(value)
            case str() if "signature=" in value:
                self.secrets.add(value.partition("signature=")[2].partition("&")[0])


async def drive_accounts(service: RunningService, canaries: Canaries) -> Person | None:
    """Go through an account's life over REST, well and badly."""
    client = service.client

    async def post(path: str, **fields: str) -> Any:
        return canaries.note(await client.post(path, json=fields))

    for username in ("canary", "canary", "x"):
        await post("/auth/register", email=EMAIL, username=username, password=PASSWORD)
    await post("/auth/register", email=EMAIL.replace("@", "@@"), username="second", password="short")
    for email, password in ((EMAIL, PASSWORD), (EMAIL, WRONG), (f"no.{EMAIL}", PASSWORD)):
        answer = await post("/auth/login", email=email, password=password)
    session = await post("/auth/login", email=EMAIL, password=PASSWORD)
    for token in (session.get("refreshToken", OPAQUE), session.get("refreshToken", OPAQUE) + "x", OPAQUE):
        answer = await post("/auth/refresh", refreshToken=token)
        await post("/auth/logout", refreshToken=answer.get("refreshToken", token))
    session = await post("/auth/login", email=EMAIL, password=PASSWORD)
    if "user" not in session:
        return None
    user_id = session["user"]["id"]
    for old, new in ((WRONG, CHANGED), (PASSWORD, "short"), (PASSWORD, CHANGED), (CHANGED, PASSWORD)):
        await post("/auth/change_pass", userId=user_id, oldPassword=old, newPassword=new)
    session = await post("/auth/login", email=EMAIL, password=PASSWORD)
    return Person(user_id, "canary", EMAIL, session["accessToken"], session["refreshToken"])


async def drive_routes(service: RunningService, canaries: Canaries, person: Person, track: str) -> None:
    """Ask every route with a good token, a bad one and one in the wrong place."""
    values = {"username": "canary", "trackId": track, "fileId": track}
    sent = {"email": EMAIL, "username": "canary", "password": WRONG, "oldPassword": WRONG, "newPassword": CHANGED}
    sent |= {"userId": person.user_id, "followerId": person.user_id, "refreshToken": person.refresh_token + "x"}
    headers = [
        person.headers,
        {"Authorization": f"Bearer {person.access_token}x"},
        {"Authorization": f"Basic {OPAQUE}"},
        {"Cookie": f"session={OPAQUE}", "X-Api-Key": OPAQUE, "Referer": f"https://a.example/?token={OPAQUE}"},
    ]
    for route in ROUTES:
        if route.method == "DELETE":
            continue
        path = route.path
        for name in ("username", "trackId", "fileId", "followerId", "followingId", "userId", "id"):
            path = path.replace(f":{name}", values.get(name, person.user_id))
        query = {"token": OPAQUE, "access_token": person.access_token, "email": EMAIL, "userId": person.user_id}
        for some in headers:
            body = None if route.method == "GET" else sent
            canaries.note(await service.client.request(route.method, path, headers=some, params=query, json=body))
    for path in (f"/users/username/{EMAIL}", f"/auth/{person.access_token}", f"/nothing?password={PASSWORD}"):
        canaries.note(await service.client.get(path))
    for content in (f'{{"password": "{PASSWORD}"', f"password={PASSWORD}", f'["{person.refresh_token}"]'):
        canaries.note(await service.client.post("/auth/login", content=content))
    canaries.note(await service.upload("track", PASSWORD.encode(), by=person, name=EMAIL, password=PASSWORD))


async def drive_graphql(service: RunningService, canaries: Canaries, person: Person) -> None:
    """Send every mutation with secrets in its text and in its variables, and documents that cannot be read."""
    mutations = build_schema()._schema.mutation_type
    assert mutations is not None
    secret_input = (
        f'email: "{EMAIL}", username: "canary", password: "{WRONG}", oldPassword: "{WRONG}", newPassword: "{CHANGED}"'
    )
    documents = [f"mutation {{ {name}(input: {{{secret_input}}}) {{ __typename }} }}" for name in mutations.fields]
    documents += [f'mutation {{ {name}(refreshToken: "{OPAQUE}", password: "{WRONG}") {{ __typename }} }}'
                  for name in mutations.fields]  # fmt: skip
    documents += [
        f'mutation {{ login(input: {{email: "{EMAIL}", password: "{WRONG}"}}) {{ userErrors {{ message }} }} }}',
        f'mutation {{ register(input: {{email: "{EMAIL}", username: "second", password: "{PASSWORD}"}})'
        " { userErrors { message } } }",
        f'mutation {{ refreshSession(refreshToken: "{OPAQUE}") {{ userErrors {{ message }} }} }}',
        f'mutation {{ logout(refreshToken: "{OPAQUE}") {{ userErrors {{ message }} }} }}',
        f'mutation {{ deleteAccount(password: "{WRONG}") {{ userErrors {{ message }} }} }}',
        f'mutation {{ changePassword(input: {{oldPassword: "{WRONG}", newPassword: "{CHANGED}"}})'
        " { userErrors { message } } }",
        f'{{ unreadable "{PASSWORD}" {person.access_token}',
    ]
    for document in documents:
        for headers in (person.headers, {}):
            canaries.note(await service.client.post("/graphql", json={"query": document}, headers=headers))
    login = "mutation ($input: LoginInput!) { login(input: $input) { session { accessToken refreshToken } } }"
    for given in (
        {"email": EMAIL, "password": PASSWORD},
        {"email": EMAIL, "password": {"is": WRONG}},
        {"token": OPAQUE},
    ):
        canaries.note(await service.client.post("/graphql", json={"query": login, "variables": {"input": given}}))
    for query in (documents[0], f'{{ profile(by: {{username: "{EMAIL}"}}) {{ bio }} }}'):
        canaries.note(await service.client.get("/graphql", params={"query": query, "token": OPAQUE}))


async def drive_media(service: RunningService, canaries: Canaries, person: Person) -> str:
    """Upload a private track, and fetch it by signed links that are good and spoilt; return its id."""
    closed = {"preferences": {"privateProfile": True}}
    await service.client.put(f"/users/{person.user_id}/profile", json=closed, headers=person.headers)
    track = canaries.note(await service.upload("track", mp3(1.0), by=person))["file"]["fileId"]
    query = "query ($id: ID!) { track(fileId: $id) { url } }"
    sent = {"query": query, "variables": {"id": track}}
    answer = canaries.note(await service.client.post("/graphql", json=sent, headers=person.headers))
    link = urlsplit(answer["data"]["track"]["url"])
    for spoilt in ("", "x", "&more=1"):
        response = await service.client.get(f"{link.path}?{link.query}{spoilt}")
        canaries.statuses.append(response.status_code)
    return str(track)


@pytest.fixture
def log() -> io.StringIO:
    """The whole log of this process, at the most talkative level."""
    stream = io.StringIO()
    configure_logging("json", "debug", stream=stream)
    for name in ("httpx", "httpcore"):  # the tests' own client, in the same process
        logging.getLogger(name).setLevel(logging.WARNING)
    return stream


async def test_the_log_holds_no_secret_whatever_comes(start_service: StartService, log: io.StringIO) -> None:
    service: Service = await start_service(secret_key=SECRET_KEY)
    canaries = Canaries()
    person = await drive_accounts(service, canaries)
    assert person is not None
    track = await drive_media(service, canaries, person)
    await drive_routes(service, canaries, person, track)
    await drive_graphql(service, canaries, person)
    assert {200, 400, 401, 404, 409} <= set(canaries.statuses)
    assert len(canaries.secrets) > 12
    written = [json.loads(line) for line in log.getvalue().splitlines()]
    assert sum(line["event"] == "request" for line in written) >= len(canaries.statuses)
    assert canaries.found_in(log.getvalue()) == set()


async def test_nor_when_everything_breaks_in_a_way_that_nobody_foresaw(
    start_service: StartService, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    service: Service = await start_service(secret_key=SECRET_KEY)
    canaries = Canaries()
    person = await drive_accounts(service, canaries)
    assert person is not None
    track = await drive_media(service, canaries, person)
    documents = service.engines.documents
    for part in (service.engines.accounts, service.engines.sessions, documents.profiles, documents.files):
        for name, method in inspect.getmembers(type(part), inspect.iscoroutinefunction):
            if not name.startswith("_"):
                monkeypatch.setattr(type(part), name, _breaking(name, method))
    await drive_accounts(service, canaries)
    await drive_routes(service, canaries, person, track)
    await drive_graphql(service, canaries, person)
    assert canaries.statuses.count(500) > 20
    assert log.getvalue().count("Traceback") > 20
    assert "it was given" in log.getvalue()
    assert canaries.found_in(log.getvalue()) == set()


def _breaking(name: str, method: Any) -> Any:
    """Return what fails as a driver does that quotes what it was given."""
    del method

    async def broken(_: object, *given: object, **named: object) -> None:
        raise RuntimeError(f"{name} failed, it was given {given!r} {named!r}")

    return broken


@pytest.mark.slow
async def test_nor_does_a_whole_process_write_one(tmp_path: Path) -> None:
    async with serve(tmp_path / "data", log_level="debug", log_format="console", secret_key=SECRET_KEY) as server:
        canaries = Canaries()
        person = await drive_accounts(server.service, canaries)
        assert person is not None
        await drive_media(server.service, canaries, person)
        address = f"127.0.0.1:{server.service.settings.port}"
        for token in (person.access_token, OPAQUE):
            async with talking(address) as socket:
                await say(socket, "connection_init", payload={"Authorization": f"Bearer {token}"})
                await say(socket, "nonsense", payload={"password": PASSWORD, "email": EMAIL})
                assert await close_code(socket) in {4400, 4403}
        await server.stop()
        text = "\n".join(server.log.lines)
        assert text.count("request ") > len(canaries.statuses) / 2
        assert canaries.found_in(text) == set()
