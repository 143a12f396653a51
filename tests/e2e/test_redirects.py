"""Media that the store sends itself, by a URL that the service hands out."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.conftest import Person, Service, StartService
from tests.e2e.page import open_page, other_origin
from tests.e2e.server import serve
from tests.e2e.ways import SENDABLE, require_selected, thousand_bytes
from tests.engines.s3 import Bucket, S3Server
from tests.media_factory import mp3, png

DOCUMENT = Path(__file__).parents[2] / "docs" / "engines" / "s3.md"
SONG = mp3(3.0)


@dataclass(frozen=True, slots=True)
class Scene:
    """A service that redirects to a store, a track of Ann's, and a client that follows to the store."""

    service: Service
    store: httpx.AsyncClient
    ann: Person
    path: str

    async def follow(self, method: str = "GET", path: str = "", **headers: str) -> httpx.Response:
        """Ask the service and go where it says, as players do."""
        granted = await self.service.client.request(method, path or self.path, headers=headers)
        assert (granted.status_code, granted.content) == (307, b"")
        return await self.store.request(method, granted.headers["location"], headers=headers)

    async def plays(self) -> int:
        """Return how often the track was played."""
        profile = (await self.service.client.get(f"/users/{self.ann.user_id}/profile")).json()
        count: int = profile["data"]["stats"]["totalPlays"]
        return count


@pytest.fixture
async def scene(start_service: StartService, s3_bucket: Bucket) -> AsyncIterator[Scene]:
    service = await start_service(media_url=s3_bucket.url, media_delivery="redirect")
    ann = await service.register("ann")
    song = (await service.upload("track", SONG, by=ann, name="song.mp3")).json()["file"]
    async with httpx.AsyncClient() as store:
        yield Scene(service, store, ann, f"/media/track/{song['fileId']}")


async def test_a_get_is_sent_to_a_url_of_the_store_that_ends(scene: Scene, s3_server: S3Server) -> None:
    granted = await scene.service.client.get(scene.path)
    url = urlsplit(granted.headers["location"])
    signed = {name: value for name, (value,) in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}" == s3_server.endpoint
    assert (signed["X-Amz-Expires"], signed["X-Amz-SignedHeaders"], len(signed["X-Amz-Signature"])) == (
        "3600",
        "host",
        64,
    )
    assert granted.headers["cache-control"] == "no-store"
    assert granted.headers["cross-origin-resource-policy"] == "cross-origin"


async def test_the_store_sends_the_bytes_with_their_type(scene: Scene) -> None:
    whole = await scene.follow()
    assert (whole.status_code, whole.headers["content-type"], whole.content) == (200, "audio/mpeg", SONG)
    part = await scene.follow(Range="bytes=100-199")
    assert (part.status_code, part.headers["content-range"]) == (206, f"bytes 100-199/{len(SONG)}")
    assert part.content == SONG[100:200]
    head = await scene.follow("HEAD")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(SONG)), b"")


async def test_every_range_header_selects_the_same_bytes_as_without_a_redirect(scene: Scene) -> None:
    song = (await scene.service.upload("track", thousand_bytes(), by=scene.ann, name="song.wav")).json()["file"]
    followed = 0
    for header, selection in SENDABLE.values():
        headers = {} if header is None else {b"Range": header.encode()}
        answer = await scene.service.client.get(f"/media/track/{song['fileId']}", headers=headers)
        if answer.status_code == 307:
            answer = await scene.store.get(answer.headers["location"], headers=headers)
            followed += 1
        require_selected(answer, selection)
    assert followed == 12  # no range, or one that every store understands, and that lies within the object


async def test_images_have_their_type_too(scene: Scene) -> None:
    await scene.service.upload("avatar", png(), by=scene.ann)
    shown = await scene.follow(path=f"/media/avatar/{scene.ann.user_id}")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")


async def test_a_url_is_signed_for_one_method(scene: Scene) -> None:
    urls = {(await scene.service.client.request(method, scene.path)).headers["location"] for method in ("GET", "HEAD")}
    assert len({url.rpartition("X-Amz-Signature=")[2] for url in urls}) == 2


async def test_a_play_is_counted_when_the_first_byte_is_granted(scene: Scene) -> None:
    size = len(SONG)
    for headers in ({"Range": "bytes=1-"}, {"Range": f"bytes={size}-"}, {"Range": "bytes=-1"}):
        await scene.service.client.get(scene.path, headers=headers)
    await scene.service.client.head(scene.path)
    assert await scene.plays() == 0
    listeners = [await scene.service.register(name) for name in ("eve", "tom", "max")]
    ways: list[dict[str, str]] = [{}, {"Range": "bytes=0-"}, {"Range": "items=1-2"}]
    for listener, headers in zip(listeners, ways, strict=True):
        await scene.service.client.get(scene.path, headers={**listener.headers, **headers})
    assert await scene.plays() == 3


async def test_conditions_are_left_to_the_store_whose_tags_clients_know(scene: Scene) -> None:
    etag = (await scene.follow()).headers["etag"]
    held = await scene.follow(**{"If-None-Match": etag})
    assert (held.status_code, held.content) == (304, b"")
    same = await scene.follow(**{"If-Match": etag, "Range": "bytes=0-9"})
    assert (same.status_code, same.content) == (206, SONG[:10])


async def test_a_download_goes_through_the_service_which_knows_the_name(scene: Scene) -> None:
    response = await scene.service.client.get(scene.path, params={"download": "1"})
    assert (response.status_code, response.content) == (200, SONG)
    assert response.headers["content-disposition"] == 'attachment; filename="song.mp3"'


async def test_who_may_not_hear_gets_no_url(scene: Scene) -> None:
    change: dict[str, Any] = {"preferences": {"privateProfile": True}}
    await scene.service.client.put(f"/users/{scene.ann.user_id}/profile", json=change, headers=scene.ann.headers)
    hidden = await scene.service.client.get(scene.path)
    assert (hidden.status_code, "location" in hidden.headers) == (404, False)
    own = await scene.service.client.get(scene.path, headers=scene.ann.headers)
    assert own.status_code == 307


async def test_a_page_of_an_allowed_origin_may_follow(scene: Scene) -> None:
    granted = await scene.service.client.get(scene.path, headers={"Origin": "http://localhost:5173"})
    assert granted.headers["access-control-allow-origin"] == "http://localhost:5173"


async def test_the_welcome_page_may_play_what_the_store_sends(scene: Scene, s3_server: S3Server) -> None:
    policy = (await scene.service.client.get("/")).headers["content-security-policy"]
    assert f"media-src 'self' {s3_server.endpoint};" in policy
    assert f"img-src 'self' data: {s3_server.endpoint};" in policy


IN_A_PLAYER = """async url => {
    const part = await fetch(url, {headers: {Range: "bytes=100-199"}});
    const whole = await fetch(url);
    const player = new Audio();
    player.crossOrigin = "anonymous";
    const reached = event => new Promise((good, bad) => {
        player.addEventListener(event, good, {once: true});
        player.onerror = () => bad(player.error.message);
    });
    const known = reached("loadedmetadata"), sought = reached("seeked");
    player.src = url;
    await known;
    player.currentTime = 2;
    await sought;
    return [part.status, (await part.arrayBuffer()).byteLength, (await whole.arrayBuffer()).byteLength,
            Math.round(player.duration), player.currentTime];
}"""


@pytest.mark.browser
async def test_a_page_of_another_origin_fetches_ranges_and_plays(s3_bucket: Bucket, tmp_path: Path) -> None:
    rules: list[str] = re.findall(r"```json\n(\{\n  \"CORSRules\".*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    s3_bucket.client.put_bucket_cors(Bucket=s3_bucket.name, CORSConfiguration=json.loads(rules[0]))
    async with serve(tmp_path, media_url=s3_bucket.url, media_delivery="redirect") as server:
        ann = await server.service.register("ann")
        song = (await server.service.upload("track", SONG, by=ann)).json()["file"]
        url = f"http://localhost:{server.service.settings.port}/media/track/{song['fileId']}"
        with other_origin() as origin:
            async with open_page(origin) as page:
                assert await page.evaluate(IN_A_PLAYER, url) == [206, 100, len(SONG), 3, 2]


async def test_an_archive_of_ones_data_goes_through_the_service_which_knows_its_name(scene: Scene) -> None:
    await scene.service.graphql("mutation { exportMyData { dataExport { state } } }", by=scene.ann)
    await scene.service.services.exports.make_next()
    told = await scene.service.graphql("{ me { dataExport { url size } } }", by=scene.ann)
    archive = told["data"]["me"]["dataExport"]
    answer = await scene.service.client.get(archive["url"])
    assert (answer.status_code, len(answer.content)) == (200, archive["size"])
    assert answer.headers["content-disposition"].startswith('attachment; filename="pet-data-')
