"""A page of another origin in the victim's browser: it can send forms, and nothing comes of them (CSRF)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from pet.rest_compat.routes import ROUTES
from tests.conftest import PASSWORD, Service, StartService
from tests.media_factory import png
from tests.threats.conftest import Victim

EVIL = "https://evil.example"
MUTATION = 'mutation { updateProfile(input: {bio: "gone"}) { userErrors { code } } }'
WRITING = [route.path for route in ROUTES if route.method == "POST"]
"""A form has no other method than GET and POST; what scripts send beyond that is preflighted."""


def of_a_browser(victim: Victim) -> dict[str, str]:
    """Return what a browser adds to a form of another origin, and what it would have as a cookie if there were any."""
    cookie = f"accessToken={victim.ann.access_token}; refreshToken={victim.ann.refresh_token}"
    return {"Origin": EVIL, "Referer": f"{EVIL}/", "Sec-Fetch-Site": "cross-site", "Cookie": cookie}


def forms(fields: dict[str, str], body: str) -> list[dict[str, Any]]:
    """Return the bodies that a form or a simple request can have, as arguments of a request."""
    encoded = {"Content-Type": "application/x-www-form-urlencoded"}
    return [
        {"content": body, "headers": {"Content-Type": "text/plain"}},
        {"content": body, "headers": {"Content-Type": "text/plain; charset=application/json"}},
        {"content": body, "headers": {}},
        {"content": urlencode(fields), "headers": encoded},
        {"content": body, "headers": encoded},
        {"data": fields, "files": {"file": ("a.png", png())}, "headers": {}},
    ]


async def test_no_form_of_another_page_writes_over_rest(victim: Victim) -> None:
    before = await victim.state()
    fields = {"userId": victim.ann.user_id, "followerId": victim.ann.user_id, "bio": "gone"}
    for path in WRITING:
        for form in forms(fields, json.dumps(fields)):
            response = await post(victim, path.replace(":userId", victim.eve.user_id), form)
            assert response.status_code in {400, 401, 415}, (path, form, response.text)
    assert await victim.state() == before


async def test_no_form_of_another_page_writes_over_graphql(victim: Victim) -> None:
    before = await victim.state()
    body = json.dumps({"query": MUTATION})
    for form in forms({"query": MUTATION, "operations": body, "map": "{}"}, body):
        response = await post(victim, "/graphql", form)
        assert response.status_code in {400, 401, 415}, (form, response.text)
    by_link = await victim.service.client.get("/graphql", params={"query": MUTATION}, headers=of_a_browser(victim))
    assert by_link.status_code == 405
    assert await victim.state() == before


async def test_a_form_of_another_page_registers_nobody_and_logs_nobody_in(victim: Victim) -> None:
    given = {"email": "new@example.com", "username": "new", "password": PASSWORD}
    for form in forms(given, json.dumps(given)):
        is_typeless = form["headers"] == {} and "content" in form
        for path in ("/auth/register", "/auth/login"):
            response = await post(victim, path, form)
            assert (response.status_code == 415) is not is_typeless, (path, form)
    # A script can send text without a type, which is JSON then: nothing of the answer stays in the browser.


async def post(victim: Victim, path: str, form: dict[str, Any]) -> httpx.Response:
    """Send a form; whatever comes of it, the page reads no answer and the browser keeps none."""
    headers = {**of_a_browser(victim), **form["headers"]}
    others = {key: value for key, value in form.items() if key != "headers"}
    response = await victim.service.client.post(path, headers=headers, **others)
    assert "access-control-allow-origin" not in response.headers
    assert "set-cookie" not in response.headers
    return response


@pytest.mark.parametrize("origins", [("local",), ("https://app.example",), ()])
async def test_only_the_origins_of_the_settings_are_answered_and_never_with_credentials(
    start_service: StartService, origins: tuple[str, ...]
) -> None:
    service: Service = await start_service(cors_origins=origins)
    allowed = {"local": "http://localhost:5173", "https://app.example": "https://app.example"}
    strangers = [EVIL, "null", "https://app.example.evil.example", "http://localhost.evil.example", "file://", "x"]
    for origin in [*strangers, *allowed.values()]:
        is_allowed = origin in {allowed[name] for name in origins}
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        for path in ("/graphql", "/users", "/auth/login", "/nothing"):
            answers = [
                await service.client.options(path, headers=preflight),
                await service.client.get(path, headers={"Origin": origin}),
            ]
            for answer in answers:
                told = answer.headers.get("access-control-allow-origin")
                assert told == (origin if is_allowed else None), (origin, path)
                assert "access-control-allow-credentials" not in answer.headers
                assert "Origin" in answer.headers["vary"]
