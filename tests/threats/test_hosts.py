"""Host header injection: no URL in any answer is made of what the client says the host is."""

from __future__ import annotations

import pytest

from pet.rest_compat.routes import ROUTES
from tests.conftest import Service, StartService
from tests.media_factory import mp3, png

EVIL = "evil.example"
HEADERS = {
    "Host": EVIL,
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Server": EVIL,
    "X-Forwarded-Proto": "evil",
    "X-Forwarded-Prefix": f"//{EVIL}",
    "X-Host": EVIL,
    "X-Original-URL": f"http://{EVIL}/",
    "X-Rewrite-URL": f"http://{EVIL}/",
    "Forwarded": f"host={EVIL};proto=evil",
}
EVERYTHING = """{
  profile(by: {username: "ann"}) {
    avatarUrl coverImageUrl
    tracks { edges { node { url coverUrl } } }
    audioFiles { edges { node { url } } }
  }
}"""


@pytest.mark.parametrize("trusted", [(), ("127.0.0.1",)], ids=["a stranger", "a trusted proxy"])
async def test_no_answer_repeats_the_host_of_a_request(start_service: StartService, trusted: tuple[str, ...]) -> None:
    service: Service = await start_service(public_url="https://music.example:8443", trusted_proxies=trusted)
    ann = await service.register("ann")
    eve = await service.register("eve")
    track = (await service.upload("track", mp3(1.0), by=ann)).json()["file"]["fileId"]
    for kind in ("avatar", "cover"):
        await service.upload(kind, png(), by=ann)
    await service.upload("track", mp3(1.5), by=ann)
    follow = {"followerId": eve.user_id}
    await service.client.post(f"/social/follow/{ann.user_id}", json=follow, headers=eve.headers)
    closed = {"preferences": {"privateProfile": True}}
    await service.client.put(f"/users/{ann.user_id}/profile", json=closed, headers=ann.headers)

    in_path = {"username": "ann", "fileId": track, "trackId": track, "followerId": eve.user_id}
    seen = ""
    for route in ROUTES:
        path = route.path
        for name in ("username", "fileId", "trackId", "followerId", "followingId", "userId", "id"):
            path = path.replace(f":{name}", in_path.get(name, ann.user_id))
        if route.method == "GET":
            query = {"limit": "1", "userId": eve.user_id}
            response = await service.client.get(path, params=query, headers=ann.headers | HEADERS)
            seen += f"{response.headers} {'' if path.startswith('/media') else response.text}\n"
    answer = await service.client.post("/graphql", json={"query": EVERYTHING}, headers=ann.headers | HEADERS)
    seen += answer.text
    assert "https://music.example:8443/media/" in seen
    assert 'rel="next"' in seen.replace('\\"', '"')
    assert "signature=" in answer.text
    assert "evil" not in seen


async def test_errors_and_pages_do_not_repeat_it_either(service: Service) -> None:
    for path in ("/", "/nothing", "/users/", "/graphql", "/graphql/assets/nothing", "/health/live"):
        response = await service.client.get(path, headers={**HEADERS, "Accept": "text/html"})
        assert "evil" not in f"{response.headers} {response.text}", path
        assert response.status_code not in {301, 302, 307, 308}
