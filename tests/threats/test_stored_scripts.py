"""Texts and files that would run as scripts (stored XSS): kept as they are, and served so that no browser runs them."""

from __future__ import annotations

import io
import wave
import zipfile
from typing import Any

import httpx
import pytest
from PIL import Image

from pet.rest_compat.routes import ROUTES
from pet.safe_headers import SAFE_HEADERS
from tests.conftest import Service, StartService
from tests.media_factory import mp3, png
from tests.threats.conftest import Victim

SCRIPT = "</script><img src=x onerror=alert(1)><svg onload=alert(2)>{{7*7}}${7*7}'\"`"
SHORT = "<svg onload=alert(1)>"
TEXTS: dict[str, Any] = {
    "displayName": SCRIPT,
    "bio": SCRIPT,
    "location": SCRIPT,
    "genres": [SHORT],
    "instruments": [SHORT],
}
LINKS = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "\x01javascript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "//evil.example",
    "https:alert(1)",
    "blob:x",
    "file:///etc/passwd",
)
AS_A_PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def require_safe(response: httpx.Response, name: str) -> None:
    """Require headers by which a browser runs nothing of an answer, shows it in no frame, and tells nobody of it."""
    headers = response.headers
    for header in SAFE_HEADERS:
        assert header in headers, (name, header)
    assert headers["x-content-type-options"] == "nosniff", name
    assert headers["x-frame-options"] == "DENY", name
    assert headers["referrer-policy"] == "no-referrer", name
    assert "default-src 'none'" in headers["content-security-policy"], name
    script_sources = [part for part in headers["content-security-policy"].split("; ") if part.startswith("script-src")]
    assert all("unsafe" not in part and "*" not in part and "http" not in part for part in script_sources), name


@pytest.fixture
async def track_of_ann(victim: Victim) -> str:
    """A track of Ann's, everything about which is a script; she is not private any more."""
    service, ann = victim.service, victim.ann
    update = {**TEXTS, "preferences": {"privateProfile": False}}
    response = await service.client.put(f"/users/{ann.user_id}/profile", json=update, headers=ann.headers)
    assert response.status_code == 200, response.text
    song = mp3(1.0, title=SCRIPT, artist=SCRIPT, album=SCRIPT)
    uploaded = await service.upload("track", song, by=ann, name=f"{SHORT}.html")
    assert uploaded.status_code == 200, uploaded.text
    for kind in ("avatar", "cover"):
        assert (await service.upload(kind, png(), by=ann, name=f"{SHORT}.svg")).status_code == 200
    return str(uploaded.json()["file"]["fileId"])


async def test_texts_come_back_as_they_were_sent_and_in_no_page(victim: Victim, track_of_ann: str) -> None:
    client, ann = victim.service.client, victim.ann
    in_path = {"username": "ann", "trackId": track_of_ann, "fileId": track_of_ann}
    seen = ""
    for route in ROUTES:
        path = route.path
        for name in ("username", "trackId", "fileId", "followerId", "followingId", "userId", "id"):
            path = path.replace(f":{name}", in_path.get(name, ann.user_id))
        if route.method != "GET":
            continue
        response = await client.get(path, params={"userId": victim.dan.user_id}, headers=AS_A_PAGE | victim.dan.headers)
        assert response.status_code == 200, path
        require_safe(response, path)
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type in {"application/json", "audio/mpeg", "image/png"}, path
        seen += response.text if media_type == "application/json" else ""
    assert seen.count("onerror=alert(1)") >= 5
    for text in (SCRIPT, SHORT):
        profile = (await client.get("/users/username/ann")).json()["data"]
        assert text in (profile["displayName"], *profile["genres"])


async def test_graphql_repeats_them_as_json_alone(victim: Victim, track_of_ann: str) -> None:
    hostile = [
        f'{{ nothing(x: "{SHORT}") }}',
        f"<script>{SCRIPT}",
        f'{{ profile(by: {{username: "{SHORT}"}}) {{ bio }} }}',
    ]
    queries = ["query ($id: ID!) { track(fileId: $id) { title artist album originalName owner { bio } } }", *hostile]
    for query in queries:
        sent = {"query": query, "variables": {"id": track_of_ann}}
        for accept in ("text/html", "*/*", "application/json", "text/html, application/json;q=0.1"):
            answers = [
                await victim.service.client.post("/graphql", json=sent, headers={"Accept": accept}),
                await victim.service.client.get("/graphql", params={"query": query}, headers={"Accept": accept}),
            ]
            for answer in answers:
                assert "html" not in answer.headers["content-type"], (query, accept)
                require_safe(answer, query)


async def test_no_link_of_a_profile_runs(victim: Victim) -> None:
    before = await victim.state()
    for link in LINKS:
        for update in ({"socialLinks": {"youtube": link}}, {"coverImageUrl": link}):
            path = f"/users/{victim.ann.user_id}/profile"
            response = await victim.service.client.put(path, json=update, headers=victim.ann.headers)
            assert response.status_code == 400, (link, update)
    assert await victim.state() == before


def disguised() -> dict[str, bytes]:
    """Return files that some program would take for a page or a program, beside or instead of what they claim."""
    page = b"<!doctype html><script>alert(1)</script>"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("index.html", page)
    gif = io.BytesIO()
    Image.new("RGB", (4, 4)).save(gif, "GIF")
    return {
        "html": page,
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        "xml": b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>',
        "gif": gif.getvalue(),
        "gif_script": b"GIF89a=1;alert(1)//" + b"\0" * 64,
        "pdf": b"%PDF-1.7\n/JS (app.alert(1))",
        "zip": archive.getvalue(),
        "javascript": b"alert(1)//" * 100,
        "mp3_header_alone": b"ID3\x04\0\0\0\0\0\0" + page * 50,
    }


async def test_what_is_no_picture_and_no_sound_is_not_kept(victim: Victim) -> None:
    before = await victim.state()
    for name, content in disguised().items():
        for kind in ("avatar", "cover", "track"):
            for file_name in (f"a.{name}", "a.png", "a.mp3"):
                response = await victim.service.upload(kind, content, by=victim.ann, name=file_name)
                assert response.status_code == 415, (name, kind)
    assert await victim.state() == before


async def test_a_script_within_a_picture_or_a_sound_is_none_when_it_is_served(victim: Victim) -> None:
    service, ann = victim.service, victim.ann
    page = b"<script>alert(1)</script>"
    sound = io.BytesIO()
    with wave.open(sound, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(1)
        written.setframerate(8000)
        written.writeframes(page * 2000)
    for kind, content, media_type in (("track", sound.getvalue(), "audio/wav"), ("cover", png() + page, "image/png")):
        record = (await service.upload(kind, content, by=ann, name="a.html")).json()["file"]
        for accept in ("text/html", "*/*"):
            headers = {"Accept": accept, **ann.headers}
            served = await service.client.get(f"/media/file/{record['fileId']}", headers=headers)
            assert served.status_code == 200
            assert served.headers["content-type"].startswith(media_type[:6])
            assert "sandbox" in served.headers["content-security-policy"]
            require_safe(served, kind)
            assert kind == "track" or page not in served.content  # a picture is written anew


async def test_every_kind_of_answer_has_the_security_headers(start_service: StartService) -> None:
    service: Service = await start_service(public_url="https://music.example", rate_limits=True)
    client = service.client
    ann = await service.register("ann")
    answers = {
        "page": await client.get("/"),
        "explorer": await client.get("/graphql", headers=AS_A_PAGE),
        "no asset": await client.get("/graphql/assets/none.js"),
        "graphql": await client.post("/graphql", json={"query": "{ __typename }"}),
        "graphql refused": await client.post("/graphql", content=b"{"),
        "events": await client.get("/graphql", headers={"Accept": "text/event-stream"}),
        "json": await client.get("/users"),
        "head": await client.head("/users"),
        "created": await client.post(f"/social/follow/{ann.user_id}", json={}, headers=ann.headers),
        "bad": await client.post("/auth/login", content=b"{"),
        "unauthenticated": await client.put(f"/users/{ann.user_id}/profile", json={"bio": "x"}),
        "no route": await client.get("/nothing"),
        "no method": await client.delete("/users"),
        "too large": await client.post("/auth/login", content=b" " * 2_000_000),
        "preflight": await client.options(
            "/users", headers={"Origin": "http://localhost:1", "Access-Control-Request-Method": "GET"}
        ),
        "preflight refused": await client.options(
            "/users", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"}
        ),
        "health": await client.get("/health/ready"),
        "metrics": await client.get("/metrics"),
    }
    for _ in range(6):
        answers["limited"] = await client.post("/auth/login", json={"email": "x@example.com", "password": "x" * 9})
    assert answers["limited"].status_code == 429
    for name, answer in answers.items():
        require_safe(answer, name)
        assert answer.headers["strict-transport-security"] == "max-age=31536000", name


async def test_an_unforeseen_error_has_them_too(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("pet.rest_compat.everyone.list_response", fail)
    response = await service.client.get("/users")
    assert response.status_code == 500
    require_safe(response, "error")
    assert "strict-transport-security" not in response.headers  # the public URL is http
