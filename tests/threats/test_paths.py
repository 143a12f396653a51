"""File names that would lead elsewhere (path traversal): kept as names, never used as paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.server import kept_files
from tests.media_factory import png
from tests.threats.conftest import Victim

NAMES = [
    "../../../../tmp/pet-was-here.png",
    "..\\..\\..\\tmp\\pet-was-here.png",
    "/tmp/pet-was-here.png",  # noqa: S108 - it must not be written
    "C:\\pet-was-here.png",
    "....//....//pet-was-here.png",
    "%2e%2e%2fpet-was-here.png",
    "..%c0%afpet-was-here.png",
    "a\x00.png",
    "a\r\nX-Injected: 1\r\n\r\n.png",
    "~/.ssh/authorized_keys",
    "staging/../../secret.key",
    ".",
    "..",
    "CON",
    'a"; filename="b.html',
    "x" * 5000 + ".png",
]


def is_written(path: str) -> bool:
    return Path(path).exists()


@pytest.mark.parametrize("kind", ["avatar", "cover"])
async def test_no_file_name_is_a_path(victim: Victim, kind: str) -> None:
    service, ann = victim.service, victim.ann
    folder = service.settings.media_folder
    assert folder is not None
    around = {path for path in folder.parent.parent.rglob("*") if folder not in path.parents}
    for name in NAMES:
        response = await service.upload(kind, png(), by=ann, name=name)
        assert response.status_code in {200, 400}, (name, response.text)
        if response.status_code == 400:
            continue
        file_id = response.json()["file"]["fileId"]
        served = await service.client.get(f"/media/file/{file_id}", headers=ann.headers)
        assert served.status_code == 200, name
        disposition = served.headers["content-disposition"]
        assert not set(disposition.partition(";")[2]) & set("/\\\r\n\0"), disposition
        assert disposition.count('"') == 2, disposition
        assert "x-injected" not in served.headers
    assert not any(name in str(path) for path in kept_files(folder) for name in ("pet-was-here", "authorized"))
    assert {path for path in folder.parent.parent.rglob("*") if folder not in path.parents} == around
    assert not is_written("/tmp/pet-was-here.png")  # noqa: S108


async def test_no_id_is_a_path(victim: Victim) -> None:
    before, song = await victim.state(), victim.song
    for text in ("..%2f..%2fsecret.key", "%2e%2e", "..%5c..%5csecret.key", f"{song}%2f..%2f{song}", "%00"):
        for method, path in (("GET", "/media/file/"), ("GET", "/media/cover/"), ("DELETE", "/media/file/")):
            response = await victim.service.client.request(method, path + text, headers=victim.ann.headers)
            assert response.status_code == 404, (method, path + text)
    mutation = "mutation ($id: ID!) { deleteMedia(fileId: $id) { userErrors { code } } }"
    for text in ("../../secret.key", f"{song}/..", "..", "\x00"):
        answer = await victim.service.graphql(mutation, {"id": text}, by=victim.ann)
        assert answer["data"]["deleteMedia"]["userErrors"] == [{"code": "NOT_FOUND"}], text
    assert await victim.state() == before
