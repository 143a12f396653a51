"""Section 8 of the document: rate limits, on one budget for both fronts."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pet.domain.media import AVATAR_MAX_BYTES
from pet.settings import Settings
from tests.conftest import PASSWORD, Person, Service, StartService
from tests.media_factory import png
from tests.rest_compat.conftest import refusal
from tests.rest_compat.golden import Golden
from tests.rest_compat.test_uploads import kept_files

LOGIN = "mutation ($input: LoginInput!) { login(input: $input) { userErrors { code } } }"


async def log_in(service: Service, email: str, **headers: str) -> httpx.Response:
    given = {"email": email, "password": "wrong horse 1"}
    return await service.client.post("/auth/login", json=given, headers=headers)


async def log_in_by_graphql(service: Service, email: str) -> list[str]:
    answer = await service.graphql(LOGIN, {"input": {"email": email, "password": "wrong horse 1"}})
    return codes_of(answer)


def codes_of(answer: dict[str, Any]) -> list[str]:
    """Return the codes of an answer's mistakes and failures, in the order of its fields."""
    failed = {error["path"][0]: error["extensions"]["code"] for error in answer.get("errors", ())}
    return [
        failed[name] if name in failed else field["userErrors"][0]["code"] for name, field in answer["data"].items()
    ]


async def register(service: Service, number: int) -> httpx.Response:
    given = {"email": f"p{number}@example.com", "username": f"person{number}", "password": PASSWORD}
    return await service.client.post("/auth/register", json=given)


async def test_five_registrations_a_minute(limited: Service) -> None:
    golden = Golden(limited)
    assert [(await register(limited, number)).status_code for number in range(5)] == [200] * 5
    golden.check("1.1-rate-limited", await register(limited, 5))
    people = (await limited.client.get("/users")).json()["profiles"]
    assert len(people) == 5


async def test_failures_count(limited: Service) -> None:
    golden = Golden(limited)
    assert [(await log_in(limited, f"{number}@example.com")).status_code for number in range(5)] == [401] * 5
    golden.check("1.2-rate-limited", await log_in(limited, "another@example.com"))


async def test_both_fronts_spend_of_one_budget(limited: Service) -> None:
    assert [(await log_in(limited, "a@example.com")).status_code for _ in range(3)] == [401] * 3
    codes = [await log_in_by_graphql(limited, f"{number}@example.com") for number in range(3)]
    assert codes == [["UNAUTHENTICATED"], ["UNAUTHENTICATED"], ["RATE_LIMITED"]]
    assert (await log_in(limited, "b@example.com")).status_code == 429


async def test_aliases_spend_like_requests(limited: Service) -> None:
    one = 'login(input: {email: "a@example.com", password: "wrong horse 1"}) { userErrors { code } }'
    answer = await limited.graphql("mutation {" + "".join(f"a{number}: {one}" for number in range(6)) + "}")
    assert codes_of(answer) == ["UNAUTHENTICATED"] * 5 + ["RATE_LIMITED"]


@pytest.mark.parametrize(("kind", "amount"), [("avatar", 10), ("track", 5), ("cover", 10)])
async def test_uploads_a_minute(limited: Service, kind: str, amount: int) -> None:
    case = {"avatar": "3.1-rate-limited", "track": "3.2-rate-limited", "cover": "3.3-rate-limited"}[kind]
    golden, ann = Golden(limited), await limited.register("ann")
    empty = [(await limited.upload(kind, b"", by=ann, name="empty.png")).status_code for _ in range(amount)]
    assert empty in ([400] * amount, [415] * amount)
    golden.check(case, await limited.upload(kind, png(), by=ann, name="a.png"))
    profile = await limited.client.get(f"/users/{ann.user_id}/profile")
    assert "avatarUrl" not in profile.json()["data"]
    assert kept_files(limited) == []


async def test_a_form_that_is_refused_while_it_arrives_costs_an_attempt(limited: Service) -> None:
    ann = await limited.register("ann")
    too_large = bytes(AVATAR_MAX_BYTES + 1)
    refused = [await limited.upload("avatar", too_large, by=ann) for _ in range(10)]
    assert [response.status_code for response in refused] == [413] * 10
    assert (await limited.upload("avatar", png(), by=ann)).status_code == 429


async def test_the_head_of_a_refusal_tells_when_to_come_again(limited: Service) -> None:
    for number in range(5):
        await log_in(limited, f"{number}@example.com")
    refused = await log_in(limited, "a@example.com")
    seconds = int(refused.headers["retry-after"])
    assert 1 <= seconds <= 60
    assert refused.headers["ratelimit-policy"] == '"login";q=5;w=60'
    assert refused.headers["ratelimit"] == f'"login";r=0;t={seconds}'
    assert refused.json() == refusal(f"Too many requests. Please try again in {seconds} seconds.")


async def test_an_account_has_a_budget_of_its_own_wherever_attempts_come_from(start_service: StartService) -> None:
    service = await start_service(rate_limits=True, trusted_proxies="127.0.0.1")
    await service.register("ann")
    statuses = [
        (await log_in(service, "ANN@example.com", **{"X-Forwarded-For": f"203.0.113.{number}"})).status_code
        for number in range(6)
    ]
    assert statuses == [401] * 5 + [429]


async def test_another_address_has_its_own_budget(start_service: StartService) -> None:
    service = await start_service(rate_limits=True, trusted_proxies="127.0.0.1")
    for number in range(5):
        await log_in(service, f"{number}@example.com", **{"X-Forwarded-For": "203.0.113.1"})
    assert (await log_in(service, "a@example.com", **{"X-Forwarded-For": "203.0.113.1"})).status_code == 429
    assert (await log_in(service, "a@example.com", **{"X-Forwarded-For": "203.0.113.2"})).status_code == 401
    spoofed = {"X-Forwarded-For": "198.51.100.7, 203.0.113.1"}
    assert (await log_in(service, "b@example.com", **spoofed)).status_code == 429


async def test_forwarding_is_not_believed_from_strangers(limited: Service) -> None:
    assert limited.settings.trusted_proxies == Settings().trusted_proxies == ()
    statuses = [
        (await log_in(limited, f"{number}@example.com", **{"X-Forwarded-For": f"203.0.113.{number}"})).status_code
        for number in range(6)
    ]
    assert statuses == [401] * 5 + [429]


async def test_reading_has_no_limit(limited: Service) -> None:
    ann: Person = await limited.register("ann")
    statuses = {(await limited.client.get(f"/users/{ann.user_id}/profile")).status_code for _ in range(30)}
    assert statuses == {200}
