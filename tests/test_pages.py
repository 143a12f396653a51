"""The welcome page: served with a policy that fits it, and alive in a real browser, whatever people call themselves."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from tests import media_factory
from tests.conftest import Person, RunningService, Service
from tests.e2e.page import open_page
from tests.e2e.server import serve

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
HOSTILE_TITLE = '</h3><svg onload="document.title=3">"\u202e'

CURRENT_TIME = """async (audio) => {
    const moved = new Promise((done, failed) => {
        audio.addEventListener("timeupdate", () => audio.currentTime > 0.2 && done(audio.currentTime));
        audio.addEventListener("error", () => failed(new Error(audio.error.message)));
    });
    await audio.play();
    return moved;
}"""


async def test_the_page_is_html_with_headers_that_let_nothing_else_in(service: Service) -> None:
    response = await service.client.get("/")
    assert response.status_code == 200
    headers = response.headers
    assert {name: headers[name] for name in ("content-type", "cache-control", "referrer-policy")} == {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-cache",
        "referrer-policy": "no-referrer",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"


async def test_the_policy_names_exactly_the_blocks_of_the_page(service: Service) -> None:
    response = await service.client.get("/")
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", response.text, re.DOTALL)
    (style,) = re.findall(r"<style[^>]*>(.*?)</style>", response.text, re.DOTALL)
    assert policy_of(response) == {
        "default-src": "'none'",
        "script-src": hash_of(script),
        "style-src": hash_of(style),
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "media-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


async def test_the_page_needs_nothing_from_elsewhere_and_writes_no_markup(service: Service) -> None:
    html = (await service.client.get("/")).text
    assert re.findall(r"""(?:src|href)=["']?([^"'\s>]+)""", html.replace("data:image/svg+xml,", "icon:")) == [
        "icon:%3Csvg",
        "graphql",
        "docs",
        "health/ready",
    ]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\son\w+=|style=", html)


async def test_head_answers_like_get_without_a_body(service: Service) -> None:
    got, head = await service.client.get("/"), await service.client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    dropped = {"x-request-id", "date"}
    assert {k: v for k, v in head.headers.items() if k not in dropped} == {
        k: v for k, v in got.headers.items() if k not in dropped
    }
    assert int(head.headers["content-length"]) == len(got.content)


async def test_other_methods_are_refused_in_the_legacy_envelope(service: Service) -> None:
    response = await service.client.post("/")
    assert response.status_code == 405
    assert response.json()["success"] is False


def policy_of(response: httpx.Response) -> dict[str, str]:
    directives = response.headers["content-security-policy"].split("; ")
    return {name: values for name, _, values in (directive.partition(" ") for directive in directives)}


def hash_of(block: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}'"


@pytest.mark.browser
@pytest.mark.slow
class TestInABrowser:
    """The page against a real server, where nothing may appear on the console."""

    async def test_tracks_of_the_newest_people_are_shown_and_play(self, tmp_path: Path) -> None:
        async with serve(tmp_path / "data") as server:
            await self._publish(server.service, "quiet.one", "Blue", "First")
            hostile = await self._publish(server.service, "loud.one", HOSTILE, HOSTILE_TITLE)
            await server.service.register("listener.one", role="listener")
            async with open_page(f"http://127.0.0.1:{server.service.settings.port}/") as page:
                await expect(page.locator("#tracks h3")).to_have_text([HOSTILE_TITLE, "First"])
                await expect(page.locator("#tracks .words p")).to_have_text([HOSTILE, "Blue"])
                await expect(page.locator("#people h3")).to_have_text(["listener.one", HOSTILE, "Blue"])
                await expect(page.locator("#tracks .length")).to_have_text(["0:02", "0:02"])
                assert await page.locator("#tracks .cover img").evaluate_all(
                    "(images) => Promise.all(images.map((image) => image.decode().then(() => image.naturalWidth)))"
                ) == [64, 64]

                players = page.locator("#tracks audio")
                assert await players.count() == 2
                assert await players.nth(0).evaluate(CURRENT_TIME) > 0.2
                assert await players.nth(1).evaluate(CURRENT_TIME) > 0.2
                assert await players.evaluate_all("(all) => all.map((audio) => audio.paused)") == [True, False]

                assert await page.title() == "PET, a music network"
                assert await page.locator("main svg, main script, main img[onerror]").count() == 0
            assert await self._plays(server.service, hostile) == 1

    async def test_an_empty_network_says_how_to_fill_it(self, tmp_path: Path) -> None:
        async with serve(tmp_path / "data") as server:
            address = f"http://127.0.0.1:{server.service.settings.port}/"
            async with open_page(address) as page:
                await expect(page.locator("main h2:visible")).to_have_text(["Nobody is here yet"])
                await expect(page.locator("pre").first).to_have_text("pet demo")
                command = await page.locator("#register").inner_text()
            url, body = self._request_of(command)
            assert url == f"{address}auth/register"
            response = await server.client.post(url, content=body, headers={"Content-Type": "application/json"})
            assert (response.status_code, response.json()["success"]) == (200, True)
            async with open_page(address) as page:
                await expect(page.locator("#status")).to_have_text("These people have published no tracks yet.")
                await expect(page.locator("#people h3")).to_have_text(["me.myself"])

    async def test_a_service_that_fails_is_told_in_a_sentence(self, tmp_path: Path) -> None:
        async with serve(tmp_path / "data") as server, open_page("about:blank") as page:
            await page.route("**/graphql", lambda route: route.fulfill(json={"errors": [{"message": HOSTILE}]}))
            await page.goto(f"http://127.0.0.1:{server.service.settings.port}/")
            told = f"The newest tracks could not be loaded ({HOSTILE}). Reload the page to try again."
            await expect(page.locator("#status")).to_have_text(told)

    async def test_the_page_fits_a_phone_and_is_walked_through_by_keyboard(self, tmp_path: Path) -> None:
        async with serve(tmp_path / "data") as server:
            await self._publish(server.service, "long.one", "W" * 100, "M" * 200)
            async with open_page(f"http://127.0.0.1:{server.service.settings.port}/") as page:
                await page.set_viewport_size({"width": 320, "height": 640})
                await expect(page.locator("#tracks audio")).to_have_count(1)
                assert await page.evaluate("document.documentElement.scrollWidth") == 320
                assert [await self._next_focus(page) for _ in range(4)] == [
                    "GraphQL explorer",
                    "REST API",
                    "Health",
                    "AUDIO",
                ]

    @staticmethod
    async def _publish(service: RunningService, username: str, name: str, title: str) -> Person:
        person = await service.register(username)
        change = {"displayName": name, "genres": [HOSTILE[:50]]}
        update = "mutation U($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { message } } }"
        answer = await service.graphql(update, {"input": change}, by=person)
        assert answer == {"data": {"updateProfile": {"userErrors": []}}}
        song = media_factory.mp3(2.0, title=title, artwork=media_factory.jpeg())
        assert (await service.upload("track", song, by=person, name="song.mp3")).status_code == 200
        return person

    @staticmethod
    async def _plays(service: RunningService, person: Person) -> int:
        query = "query P($id: ID!) { profile(by: {userId: $id}) { stats { totalPlays } } }"
        answer: dict[str, Any] = await service.graphql(query, {"id": person.user_id})
        plays: int = answer["data"]["profile"]["stats"]["totalPlays"]
        return plays

    @staticmethod
    async def _next_focus(page: Page) -> str:
        await page.keyboard.press("Tab")
        focused = await page.evaluate("document.activeElement.innerText || document.activeElement.tagName")
        return str(focused)

    @staticmethod
    def _request_of(command: str) -> tuple[str, str]:
        found = re.fullmatch(r"curl (\S+) \\\n  -H 'Content-Type: application/json' \\\n  -d '(.+)'", command)
        assert found is not None, command
        return found[1], found[2]
