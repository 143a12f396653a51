"""The explorer in a real browser that can reach nothing but PET, and a track that a page of another origin plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import FilePayload, Page, Route, expect

from tests import media_factory
from tests.conftest import Person, RunningService
from tests.e2e.page import PLAYER, built_explorer, open_page, other_origin
from tests.e2e.server import DEADLINE, Server, serve

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SONG = media_factory.mp3(1.0, title="Night Train")
LONG_SONG = media_factory.wav(240.0)
"""About 20 MB: a player does not load it whole before it plays."""

WATCH_POLICY = """
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective));
"""
READING_MS = 600
"""Longer than GraphiQL and its language service wait after a change before they read the editor."""

KEY_MS = 30
TRACK_URL = "query Track($id: ID!) { track(fileId: $id) { url } }"


@dataclass
class Explorer:
    """GraphiQL as somebody sees it who has just opened it."""

    page: Page
    server: Server
    asked_elsewhere: list[str] = field(default_factory=list)

    @property
    def service(self) -> RunningService:
        """The service behind it."""
        return self.server.service

    async def open_tab(self, name: str) -> None:
        """Change to one of the starters; a click is lost on a page that still sets itself up."""
        tab = self.page.locator(f".graphiql-tab-button[title={name}]")
        editor = self.page.locator(".graphiql-query-editor .view-lines")
        async with asyncio.timeout(DEADLINE):
            await tab.click()
            while name not in (await editor.text_content() or ""):
                await self.page.wait_for_timeout(READING_MS)
                await tab.click()
        await self.page.wait_for_timeout(READING_MS)

    async def write(self, text: str) -> None:
        """Write into a new tab, as by hand."""
        await self.page.get_by_role("button", name="New tab").click()
        await self.page.locator(".graphiql-query-editor .monaco-editor").click()
        await self.page.keyboard.press("ControlOrMeta+A")
        await self.page.keyboard.press("Delete")
        await self.page.keyboard.type(text, delay=KEY_MS)

    async def run(self, operation: str | None = None) -> None:
        """Press the button, and choose among the operations where there are several.

        Not at once after a change: GraphiQL would send the name of the operation that it has read last.
        """
        await self.page.wait_for_timeout(READING_MS)
        await self.page.locator(".graphiql-execute-button").click()
        if operation:
            await self.page.get_by_role("menuitem", name=operation).click()

    def next_subscription(self) -> asyncio.Future[None]:
        """Return what is done when the page has sent a subscription: over a WebSocket, once that is acknowledged."""
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def look(frame: str | bytes) -> None:
            if '"type":"subscribe"' in str(frame) and not sent.done():
                sent.set_result(None)

        # Both are heard from the first moment on: a frame that came before somebody began to wait is not lost.
        self.page.once("websocket", lambda socket: socket.on("framesent", look))
        return sent

    async def require_answer(self, text: str) -> None:
        """Wait until the answer holds a text."""
        await expect(self.page.locator(".result-window .view-lines")).to_contain_text(text, timeout=DEADLINE * 1000)


@pytest.fixture
async def explorer(tmp_path: Path) -> AsyncIterator[Explorer]:
    """The explorer, just opened; at the end nothing may have broken its policy or been asked of anyone else."""
    built_explorer()
    async with serve(tmp_path / "data") as server, open_page("about:blank") as page:
        opened = Explorer(page, server)
        await page.set_viewport_size({"width": 1440, "height": 900})
        await page.add_init_script(WATCH_POLICY)
        async with cut_off(opened):
            await page.goto(f"{str(server.client.base_url).rstrip('/')}/graphql")
            await expect(page.locator(".graphiql-query-editor .view-lines")).to_contain_text("query People")
            yield opened
            assert await page.evaluate("window.violations") == []
        assert opened.asked_elsewhere == []


@asynccontextmanager
async def cut_off(explorer: Explorer) -> AsyncIterator[None]:
    """Let requests and sockets to the server through, and no other."""
    here = urlsplit(str(explorer.server.client.base_url)).netloc

    async def let_through(route: Route) -> None:
        if urlsplit(route.request.url).netloc == here:
            await route.continue_()
        else:
            explorer.asked_elsewhere.append(route.request.url)
            await route.abort()

    def note_socket(url: str) -> None:
        if urlsplit(url).netloc != here:
            explorer.asked_elsewhere.append(url)

    await explorer.page.context.route("**/*", let_through)
    explorer.page.on("websocket", lambda socket: note_socket(socket.url))
    yield


async def test_a_field_is_completed_and_the_query_runs(explorer: Explorer) -> None:
    await explorer.service.register("muse")
    await explorer.write("{ profi")
    suggestions = explorer.page.locator(".suggest-widget.visible .monaco-list-row .label-name")
    await expect(suggestions).to_have_text(["profile", "profiles"])
    await explorer.page.keyboard.press("ArrowDown")
    await explorer.page.keyboard.press("Enter")
    editor = explorer.page.locator(".graphiql-query-editor .view-lines")
    await expect(editor).to_contain_text("profiles")
    await explorer.page.keyboard.type("(first: 5) { edges { node { username", delay=KEY_MS)
    await explorer.page.keyboard.press("Escape")
    await explorer.run()
    await explorer.require_answer('"username": "muse"')


async def test_a_mistake_is_underlined_and_the_starters_have_none(explorer: Explorer) -> None:
    marks = explorer.page.locator(".squiggly-error")
    for starter in ("People", "Register", "Follow", "FeedActivity", "UploadTrack"):
        await explorer.open_tab(starter)
        assert await marks.count() == 0, starter
    await explorer.write("{ nothing }")
    await expect(marks).to_have_count(1)
    await explorer.page.locator(".graphiql-editor-tool .monaco-editor:visible").click()
    await explorer.page.keyboard.type("{ first", delay=KEY_MS)
    await expect(explorer.page.locator(".graphiql-editor-tool .squiggly-error").first).to_be_visible()


async def test_registering_fills_the_token_box_and_a_subscription_hears_what_happens(explorer: Explorer) -> None:
    page = explorer.page
    await expect(page.get_by_text("You are a guest")).to_be_visible()
    await explorer.open_tab("Register")
    await explorer.run("Register")
    await explorer.require_answer('"accessToken"')
    await expect(page.get_by_text("Sent with every operation")).to_be_visible()
    token = await page.get_by_label("Access token").input_value()
    assert token.count(".") == 2

    muse = await explorer.service.register("muse")
    await follow(explorer.service, muse, token)
    await explorer.open_tab("FeedActivity")
    subscribed = explorer.next_subscription()
    await explorer.run()
    await asyncio.wait_for(subscribed, DEADLINE)
    await page.wait_for_timeout(READING_MS)  # the server has no word for "it has begun"
    assert (await explorer.service.upload("track", SONG, by=muse, name="song.mp3")).status_code == 200
    await explorer.require_answer('"title": "Night Train"')
    await explorer.run()  # the same button stops it

    await explorer.open_tab("Follow")
    await explorer.run("Feed")
    await explorer.require_answer('"username": "muse"')
    await page.reload()
    await expect(page.get_by_text("Sent with every operation")).to_be_visible()
    await page.get_by_role("button", name="Forget").click()
    await expect(page.get_by_text("You are a guest")).to_be_visible()
    await explorer.open_tab("UploadTrack")
    await explorer.run("MyTracks")
    await explorer.require_answer('"me": null')


async def test_files_go_up_and_are_found_again(explorer: Explorer) -> None:
    page = explorer.page
    muse = await explorer.service.register("muse")
    await page.get_by_label("Access token").fill(muse.access_token)
    song = FilePayload(name="song.mp3", mimeType="audio/mpeg", buffer=SONG)
    cover = FilePayload(name="cover.png", mimeType="image/png", buffer=media_factory.png())
    await page.get_by_label("Files to upload").set_input_files([song, cover])
    await explorer.open_tab("UploadTrack")
    await explorer.run("UploadTrack")
    await explorer.require_answer('"title": "My song"')
    await explorer.require_answer("/media/cover/")
    await explorer.run("MyTracks")
    await explorer.require_answer('"totalCount": 1')


async def test_the_documentation_the_history_and_the_fields_to_pick_are_there(explorer: Explorer) -> None:
    page = explorer.page
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    docs = page.locator(".graphiql-doc-explorer")
    await docs.get_by_role("link", name="Query", exact=True).click()
    await expect(docs).to_contain_text("What those whom the viewer follows did, newest first. Needs a token.")
    await docs.get_by_role("link", name="feed", exact=True).click()
    await expect(docs).to_contain_text("How many to return, 1 to 100. Without it: 20.")
    await explorer.run()
    await explorer.require_answer('"totalCount": 0')
    await page.get_by_role("button", name="Show History").click()
    await expect(page.locator(".graphiql-history")).to_contain_text("People")
    await page.get_by_role("button", name="Show GraphiQL Explorer").click()
    await expect(page.locator(".docExplorerWrap")).to_contain_text("isFollowing")


async def test_an_audio_element_of_another_origin_seeks_in_a_track_that_graphql_names(tmp_path: Path) -> None:
    with other_origin() as origin:
        async with serve(tmp_path / "data") as server, open_page(origin) as page:
            muse = await server.service.register("muse")
            uploaded = await server.service.upload("track", LONG_SONG, by=muse, name="long.wav")
            given = [f"{str(server.client.base_url).rstrip('/')}/graphql", TRACK_URL, uploaded.json()["file"]["fileId"]]
            url = await page.evaluate(
                """async ([endpoint, query, id]) => {
                    const headers = { 'Content-Type': 'application/json' };
                    const body = JSON.stringify({ query, variables: { id } });
                    const response = await fetch(endpoint, { method: 'POST', headers, body });
                    return (await response.json()).data.track.url;
                }""",
                given,
            )
            ranges: list[str] = []
            page.on("response", lambda response: ranges.append(response.headers.get("content-range", "")))
            assert await page.evaluate(PLAYER, url) == {"duration": 240, "at": 200, "paused": False}
            starts = [int(found.removeprefix("bytes ").partition("-")[0]) for found in ranges]
            assert (starts[0], max(starts) > len(LONG_SONG) // 2) == (0, True)


async def follow(service: RunningService, musician: Person, token: str) -> None:
    """Follow someone with a token."""
    mutation = "mutation F($id: ID!) { follow(userId: $id) { follow { state } } }"
    given = {"query": mutation, "variables": {"id": musician.user_id}}
    response = await service.client.post("/graphql", json=given, headers={"Authorization": f"Bearer {token}"})
    assert response.json()["data"] == {"follow": {"follow": {"state": "FOLLOWING"}}}


RUNNING = "<img src=x onerror=window.ran=1><svg onload=window.ran=2><script>window.ran=3</script>"
EVERY_TEXT = (
    '{ profile(by: {username: "muse"}) { displayName bio location genres instruments'
    " tracks { edges { node { title artist album originalName } } } } }"
)


async def test_scripts_in_every_text_are_shown_and_do_not_run(explorer: Explorer) -> None:
    muse = await explorer.service.register("muse")
    texts = dict.fromkeys(("displayName", "bio", "location"), RUNNING)
    update = {**texts, "genres": [RUNNING[:50]], "instruments": [RUNNING[34:80]], "socialLinks": {"vk": "@muse"}}
    path = f"/users/{muse.user_id}/profile"
    changed = await explorer.service.client.put(path, json=update, headers=muse.headers)
    assert changed.status_code == 200, changed.text
    song = media_factory.mp3(1.0, title=RUNNING, artist=RUNNING, album=RUNNING)
    uploaded = await explorer.service.upload("track", song, by=muse, name=f"{RUNNING[:34]}.mp3")
    assert uploaded.status_code == 200, uploaded.text
    await explorer.write(EVERY_TEXT)
    await explorer.page.keyboard.press("Escape")
    await explorer.run()
    await explorer.require_answer("onerror=window.ran=1")
    result = explorer.page.locator(".result-window")
    await result.hover()
    for _ in range(3):  # the editor draws what is in view alone
        await explorer.page.mouse.wheel(0, 400)
        await explorer.page.wait_for_timeout(READING_MS)
    assert await explorer.page.evaluate("window.ran") is None
    assert await explorer.page.locator("img[src=x], svg[onload]").count() == 0
