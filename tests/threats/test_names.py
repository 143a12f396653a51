"""Names and emails that look like another's: variants of case, width and composition are the same; and a username can
hold nothing that looks like what it is not.
"""

from __future__ import annotations

import pytest

from tests.conftest import PASSWORD, Service

SAME_NAMES = ["Ann.Lee", "ANN.LEE", "aNn.lEE"]
OTHER_SCRIPTS = {
    "cyrillic": "\u0430nn.lee",
    "greek": "ann.l\u03b5e",
    "full_width": "\uff41nn.lee",
    "mathematical": "\U0001d41ann.lee",
    "dotless": "ann.l\u0131e",
    "combining": "a\u0300nn.lee",
    "zero_width": "ann\u200b.lee",
    "reversed": "ann\u202e.lee",
    "soft_hyphen": "ann\u00ad.lee",
    "other_dot": "ann\u2024lee",
    "kelvin": "\u212aann",
    "space": "ann lee",
    "control": "ann\x00lee",
    "line": "ann\nlee",
}
SAME_EMAILS = {
    "case": "ANN@EXAMPLE.COM",
    "full_width": "\uff41nn@example.com",
    "full_width_at": "ann\uff20example.com",
    "ligature": "\ufb03ce@example.com",  # of "ffice@example.com"
    "superscript": "ann@exam\u1d56le.com",
}


async def register(service: Service, username: str, email: str) -> int:
    given = {"email": email, "username": username, "password": PASSWORD}
    return (await service.client.post("/auth/register", json=given)).status_code


@pytest.fixture
async def ann(service: Service) -> None:
    """Whom others would like to be."""
    assert await register(service, "ann.lee", "ann@example.com") == 200
    assert await register(service, "office", "ffice@example.com") == 200


@pytest.mark.usefixtures("ann")
async def test_a_username_is_taken_in_every_case(service: Service) -> None:
    for name in SAME_NAMES:
        assert await register(service, name, f"{name}@other.example") == 409, name
        found = (await service.client.get(f"/users/username/{name}")).json()["data"]
        assert found["username"] == "ann.lee"


@pytest.mark.usefixtures("ann")
async def test_a_username_has_no_letters_that_look_like_others(service: Service) -> None:
    for kind, name in OTHER_SCRIPTS.items():
        assert await register(service, name, f"{kind}@other.example") == 400, kind
    everyone = (await service.client.get("/users")).json()["profiles"]
    assert {profile["username"] for profile in everyone} == {"ann.lee", "office"}


@pytest.mark.usefixtures("ann")
async def test_an_email_is_taken_in_every_form(service: Service) -> None:
    for kind, email in SAME_EMAILS.items():
        assert await register(service, f"other-{kind}", email) in {400, 409}, kind
    everyone = (await service.client.get("/users")).json()["profiles"]
    assert {profile["username"] for profile in everyone} == {"ann.lee", "office"}


@pytest.mark.usefixtures("ann")
async def test_the_owner_logs_in_with_any_case_and_a_lookalike_is_nobody(service: Service) -> None:
    for email, status in (("Ann@Example.com", 200), ("\u0430nn@example.com", 401), ("ann@ex\u0430mple.com", 401)):
        response = await service.client.post("/auth/login", json={"email": email, "password": PASSWORD})
        assert response.status_code == status, email


@pytest.mark.usefixtures("ann")
async def test_an_email_is_shown_to_nobody_else(service: Service) -> None:
    for path in ("/users", "/users/username/ann.lee", "/users/ann.lee/public", "/social/profile/ann.lee"):
        assert "ann@example.com" not in (await service.client.get(path)).text
    answer = await service.graphql('{ profile(by: {username: "ann.lee"}) { username email } }')
    assert "data" not in answer
