"""File names in any script go in by every client over either front, and come back the same."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.e2e.page import open_page, other_origin
from tests.e2e.ways import Way, thousand_bytes
from tests.engines.programs import run_program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("way", ["folder-accel"], indirect=True),  # nginx has a limit of its own for long names
]

SONG = thousand_bytes()

NAMES = {
    "cyrillic": "Ёжик в тумане — песня.wav",
    "cyrillic_decomposed": unicodedata.normalize("NFD", "Ёжик и чай.wav"),
    "latin_composed": unicodedata.normalize("NFC", "Beyoncé.wav"),
    "latin_decomposed": unicodedata.normalize("NFD", "Beyoncé.wav"),
    "chinese": "月亮代表我的心.wav",
    "korean_decomposed": unicodedata.normalize("NFD", "한국어.wav"),
    "arabic": "أغنية جميلة.wav",
    "arabic_with_marks_of_direction": "\u200fأغنية\u200e (live)\u061c.wav",
    "emoji": "🎵🎧.wav",
    "emoji_joined": "👩‍👩‍👧‍👦🏳️‍🌈.wav",
    "ascii_with_signs": "100% (a+b) & c=d; e, 'f'.wav",
    "ascii_of_255_bytes": "x" * 251 + ".wav",
    "cyrillic_of_254_bytes": "Ж" * 125 + ".wav",
    "chinese_of_757_bytes": "月" * 251 + ".wav",
    "emoji_of_254_units": "🎵" * 125 + ".wav",
}
MOST_BYTES_ON_DISK = 255

Send = Callable[[Way, str, Path], Awaitable[list[str]]]
"""Uploads the song under a name over either front, and returns the two answers."""

UPLOAD = "mutation ($file: Upload!) { uploadTrack(file: $file) { track { fileId } userErrors { message } } }"
OPERATIONS = json.dumps({"query": UPLOAD, "variables": {"file": None}})
MAP = '{"0": ["variables.file"]}'


def url_of(way: Way) -> str:
    return str(way.client.base_url).rstrip("/").replace("127.0.0.1", "localhost")


def file_id_in(answer: str) -> str:
    told = json.loads(answer)
    track = told["file"] if "file" in told else told["data"]["uploadTrack"]["track"]
    return str(track["fileId"])


async def by_httpx(way: Way, name: str, _: Path) -> list[str]:
    rest = await way.client.post(
        "/media/upload/track",
        files={"file": (name, SONG)},
        data={"userId": way.owner.user_id},
        headers=way.owner.headers,
    )
    graphql = await way.client.post(
        "/graphql", files={"0": (name, SONG)}, data={"operations": OPERATIONS, "map": MAP}, headers=way.owner.headers
    )
    return [rest.text, graphql.text]


async def by_curl(way: Way, name: str, folder: Path) -> list[str]:
    """Send a file of that name, where there can be one, else by curl's option for other names."""
    fits = len(name.encode()) <= MOST_BYTES_ON_DISK
    file = folder / (name if fits else "song.wav")
    file.write_bytes(SONG)
    given = f'@"{file}"' + ("" if fits else f';filename="{name}"')
    proof = ["-sS", "-H", f"Authorization: {way.owner.headers['Authorization']}"]
    user = ["-F", f"userId={way.owner.user_id}", "-F", f"file={given}"]
    rest, _ = await run_program("curl", *proof, *user, f"{url_of(way)}/media/upload/track")
    form = ["--form-string", f"operations={OPERATIONS}", "--form-string", f"map={MAP}", "-F", f"0={given}"]
    graphql, _ = await run_program("curl", *proof, *form, f"{url_of(way)}/graphql")
    return [rest.decode(), graphql.decode()]


IN_A_PAGE = """async ([url, token, userId, operations, map, name, bytes]) => {
    const file = new File([new Uint8Array(bytes)], name);
    const send = async (path, fields) => {
        const body = new FormData();
        for (const [key, value] of fields) body.append(key, value);
        return (await fetch(url + path, {method: "POST", body, headers: {Authorization: token}})).text();
    };
    return [
        await send("/media/upload/track", [["userId", userId], ["file", file]]),
        await send("/graphql", [["operations", operations], ["map", map], ["0", file]]),
    ];
}"""


async def require_kept(way: Way, answers: list[str], name: str) -> list[str]:
    """Require the name of both uploads, over both fronts and on download; return their paths."""
    paths = []
    for file_id in map(file_id_in, answers):
        query = "query ($id: ID!) { track(fileId: $id) { originalName } }"
        track = (await way.server.service.graphql(query, {"id": file_id}))["data"]["track"]
        listed = (await way.client.get("/users/ann/tracks")).json()["data"]
        (by_rest,) = [file["originalName"] for file in listed if file["fileId"] == file_id]
        assert (track["originalName"], by_rest) == (name, name)
        paths.append(f"/media/track/{file_id}?download=1")
        download = await way.client.get(paths[-1])
        assert (name_told(download.headers["content-disposition"]), download.content) == (name, SONG)
    return paths


def name_told(disposition: str) -> str:
    """Return the name that a client reads from the field (RFC 6266, section 4.3)."""
    plain, _, encoded = disposition.removeprefix('attachment; filename="').partition("; filename*=UTF-8''")
    return unquote(encoded, errors="strict") if encoded else plain.removesuffix('"')


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize("send", [by_httpx, by_curl])
async def test_a_name_comes_back_as_a_program_sent_it(way: Way, send: Send, name: str, tmp_path: Path) -> None:
    (path, _) = await require_kept(way, await send(way, name, tmp_path), name)
    if len(name.encode()) <= MOST_BYTES_ON_DISK:
        saved = tmp_path / "saved"
        saved.mkdir()
        await run_program("aria2c", "-q", "-d", str(saved), f"{url_of(way)}{path}")
        assert [file.name for file in saved.iterdir()] == [name]


def as_chromium_saves(name: str) -> str:
    """Return the name that Chromium makes of one: composed, and without what cannot be seen."""
    composed = unicodedata.normalize("NFC", name)
    return "".join("_" if unicodedata.category(character) == "Cf" else character for character in composed)


@pytest.mark.browser
async def test_a_name_comes_back_as_a_browser_sent_it(way: Way) -> None:
    with other_origin() as origin:
        async with open_page(origin) as page:
            for name in NAMES.values():
                sender = [url_of(way), way.owner.headers["Authorization"], way.owner.user_id, OPERATIONS, MAP]
                answers = await page.evaluate(IN_A_PAGE, [*sender, name, list(SONG)])
                for path in await require_kept(way, answers, name):
                    async with page.expect_download() as downloading:
                        await page.evaluate("url => { location.href = url }", f"{url_of(way)}{path}")
                    assert (await downloading.value).suggested_filename == as_chromium_saves(name)
