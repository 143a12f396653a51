"""Section 7 of the REST document, run as it is written, from a page of another origin in a real browser.

Each script is taken out of the document and wrapped: before it come the variables that it takes for granted, behind it
what the test wants to know. Two things are changed in the text. The address is the server's; and the two writes of the
examples that send no token send one, since a write needs it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests import media_factory
from tests.conftest import CONTRACT, Person
from tests.e2e.page import PLAYER, installed_browser, open_page, other_origin
from tests.e2e.server import Server, serve

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EXAMPLES = dict(
    re.findall(
        r"^### Пример: (.+?)\n\n```javascript\n(.+?)^```",
        (CONTRACT / "rest-api.ru.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)
REGISTRATION = "Регистрация и получение профиля"
AVATAR = "Загрузка аватара"
STREAMING = "Стриминг трека"
AUDIO_FILES = "Получение всех аудиофайлов пользователя"
USERS = "Получение списка всех пользователей"
FOLLOWING = "Подписка на пользователя"
DELETING = "Удаление трека"

TOKENLESS_WRITES = {
    AVATAR: ("method: 'POST',", "method: 'POST', headers: { Authorization: `Bearer ${accessToken}` },"),
    FOLLOWING: ("headers: { ", "headers: { Authorization: `Bearer ${accessToken}`, "),
}

SONG = media_factory.mp3(80.0, title="Night Train")
"""More than 1 MiB, so that the documented first part is not the whole."""

LONG_SONG = media_factory.wav(240.0)
"""About 20 MB: a player does not load it whole before it plays."""

PICKED_FILE = """(text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    window.avatarFile = new File([bytes], '\u044f.png', { type: 'image/png' });
}"""

SHOWN_SIZE = """(url) => new Promise((done, failed) => {
    const image = new Image();
    image.onerror = failed;
    image.onload = () => done([image.naturalWidth, image.naturalHeight]);
    image.src = url;
})"""


@dataclass
class App:
    """A page of another origin, and the server that it talks to."""

    page: Page
    server: Server

    async def run(self, example: str, given: dict[str, Any], wanted: str) -> Any:
        """Run an example of the document and return the value of an expression behind it.

        Args:
            given: the variables that the example takes for granted.
            wanted: the expression, in the example's own scope.
        """
        script = EXAMPLES[example].replace("http://localhost:3000", str(self.server.client.base_url).rstrip("/"))
        if example in TOKENLESS_WRITES:
            old, new = TOKENLESS_WRITES[example]
            assert script.count(old) == 1
            script = script.replace(old, new)
        if example == STREAMING:
            script = script.replace("track/trackId", "track/" + given["trackId"])
        names = ", ".join(given)
        return await self.page.evaluate(f"async ({{ {names} }}) => {{ {script}\nreturn {wanted}; }}", given)


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    """An app that has just been opened."""
    installed_browser()
    with other_origin() as origin:
        async with serve(tmp_path) as server, open_page(origin) as page:
            yield App(page, server)


def test_the_document_has_the_examples() -> None:
    assert list(EXAMPLES) == [REGISTRATION, AVATAR, STREAMING, AUDIO_FILES, USERS, FOLLOWING, DELETING]


async def test_the_examples_run_as_written_one_after_another(app: App) -> None:
    person = await registered(app)
    await require_avatar(app, person)
    track_id = await uploaded(app, person, SONG, "my-song.mp3")
    await require_streaming(app, track_id)
    await require_audio_files(app, person, track_id)
    jane = await app.server.service.register("janedoe")
    await require_users(app, person)
    await require_follow(app, person, jane)
    await require_deletion(app, person, track_id, await uploaded(app, person, media_factory.wav(), "two.wav"))


async def test_an_audio_element_plays_and_seeks(app: App) -> None:
    track_id = await uploaded(app, await app.server.service.register("johndoe"), LONG_SONG, "my-song.wav")
    ranges: list[str] = []
    app.page.on("response", lambda response: ranges.append(response.headers.get("content-range", "")))
    played = await app.page.evaluate(PLAYER, here(app, f"http://localhost:3000/media/track/{track_id}"))
    assert played == {"duration": 240, "at": 200, "paused": False}
    starts = [int(re.match(r"bytes (\d+)-", found)[1]) for found in ranges]  # type: ignore[index]
    assert starts[0] == 0
    assert max(starts) > len(LONG_SONG) // 2  # the place that was sought, without what lies before it


async def registered(app: App) -> Person:
    """Registration, and the profile right after it."""
    profile, tokens = await app.run(REGISTRATION, {}, "[profile, { ...localStorage }]")
    assert profile["success"] is True
    assert (profile["data"]["username"], profile["data"]["role"]) == ("johndoe", "musician")
    assert sorted(tokens) == ["accessToken", "refreshToken", "userId"]
    assert tokens["userId"] == profile["data"]["userId"]
    return Person(tokens["userId"], "johndoe", "user@example.com", tokens["accessToken"], tokens["refreshToken"])


async def require_avatar(app: App, person: Person) -> None:
    content = base64.b64encode(media_factory.png(50, 40)).decode()
    await app.page.evaluate(PICKED_FILE, content)
    given = {"userId": person.user_id, "accessToken": person.access_token}
    result = await app.run(AVATAR, given, "result")
    assert result["success"] is True
    assert result["file"]["originalName"] == "\u044f.png"
    assert result["file"]["metadata"] == {"width": 50, "height": 40, "format": "png"}
    assert await app.page.evaluate(SHOWN_SIZE, here(app, result["file"]["url"])) == [50, 40]


async def require_streaming(app: App, track_id: str) -> None:
    wanted = """{
        whole: [response.status, audioBlob.size, audioBlob.type, audioUrl.startsWith('blob:' + location.origin)],
        part: [partialResponse.status, partialResponse.headers.get('Content-Range'),
               partialResponse.headers.get('Accept-Ranges'), (await partialResponse.arrayBuffer()).byteLength],
        again: await (await fetch(audioUrl)).blob().then((blob) => blob.size),
    }"""
    assert await app.run(STREAMING, {"trackId": track_id}, wanted) == {
        "whole": [200, len(SONG), "audio/mpeg", True],
        "part": [206, f"bytes 0-1048575/{len(SONG)}", "bytes", 1024 * 1024],
        "again": len(SONG),
    }


async def require_audio_files(app: App, person: Person, track_id: str) -> None:
    result = await app.run(AUDIO_FILES, {"accessToken": person.access_token}, "result")
    assert result["success"] is True
    assert [(file["fileId"], file["originalName"]) for file in result["audioFiles"]] == [(track_id, "my-song.mp3")]


async def require_users(app: App, person: Person) -> None:
    """The current user's id is the one that registration left in the page's storage."""
    seen = await app.run(USERS, {"accessToken": person.access_token}, "[result, await responseAll.json()]")
    names = [[profile["username"] for profile in answer["profiles"]] for answer in seen]
    assert names == [["janedoe"], ["janedoe", "johndoe"]]


async def require_follow(app: App, person: Person, target: Person) -> None:
    given = {"targetUserId": target.user_id, "currentUserId": person.user_id, "accessToken": person.access_token}
    result = await app.run(FOLLOWING, given, "result")
    assert result["success"] is True
    assert (result["data"]["followerId"], result["data"]["followingId"]) == (person.user_id, target.user_id)


async def require_deletion(app: App, person: Person, track_id: str, file_id: str) -> None:
    given = {"trackId": track_id, "fileId": file_id, "accessToken": person.access_token}
    seen = await app.run(DELETING, given, "[result, await response2.json()]")
    assert seen == [{"success": True}, {"success": True}]
    assert (await app.server.client.get("/users/johndoe/audio-files")).json() == {"success": True, "audioFiles": []}


async def uploaded(app: App, by: Person, content: bytes, name: str) -> str:
    """Upload a track and return its id."""
    response = await app.server.service.upload("track", content, by=by, name=name)
    file_id: str = response.json()["file"]["fileId"]
    return file_id


def here(app: App, url: str) -> str:
    """Return a URL of the API at the server's address."""
    return re.sub(r"http://localhost:\d+", str(app.server.client.base_url).rstrip("/"), url)
