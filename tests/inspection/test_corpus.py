"""Five hundred and more hostile files, each sent as a client would send it, to the service with its real workers."""

from __future__ import annotations

import asyncio
import io
import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.ExifTags import IFD

from pet.domain.media import MIB
from tests.conftest import Person, Service
from tests.inspection.corpus import Sent, corpus
from tests.inspection.test_pool import children
from tests.media_factory import jpeg, mp3
from tests.setups import on_embedded

LEAST_FILES = 500
MOST_SECONDS = 10.0
MOST_BYTES = 256 * MIB
REFUSALS = {400, 413, 415}
AT_ONCE = 2


def crowd() -> float:
    """Return how many processes share each core of this machine, at least one: so many times longer all takes."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Watch:
    """Looks at the memory of the workers, and whether others are served, until it is told to stop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._strangers = children()
        self.is_over = False
        self.peak_bytes = 0
        self.answers = Counter[int]()

    async def look(self) -> None:
        """Look all the time."""
        while not self.is_over:
            self.see_workers()
            response = await self._service.client.get("/users/username/mallory")
            self.answers[response.status_code] += 1
            await asyncio.sleep(0.05)

    def see_workers(self) -> None:
        """Note the highest peak of what is resident."""
        for worker in children() - self._strangers:
            with suppress(OSError, StopIteration):
                lines = Path(f"/proc/{worker}/status").read_text(encoding="ascii").splitlines()
                peak = next(line for line in lines if line.startswith("VmHWM"))
                self.peak_bytes = max(self.peak_bytes, int(peak.split()[1]) * 1024)


async def outcome(service: Service, person: Person, sent: Sent) -> tuple[bool, float]:
    """Upload a file, and check its answer; return whether it was taken, and the seconds."""
    start = time.monotonic()
    response = await service.upload(sent.kind, sent.content, by=person, name=sent.name)
    seconds = time.monotonic() - start
    answer: dict[str, Any] = response.json()
    if response.status_code != 200:
        assert response.status_code in REFUSALS, (sent.name, response.text)
        assert set(answer) == {"success", "error"}, sent.name
        return False, seconds
    file = answer["file"]
    if sent.kind == "track":
        assert file["metadata"]["duration"] >= 0, sent.name
        assert file["metadata"]["bitrate"] >= 1, sent.name
    else:
        await check_picture(service, file["url"], sent.name)
    return True, seconds


async def check_picture(service: Service, url: str, name: str) -> None:
    """See that what is served is one picture without a word about anyone."""
    response = await service.client.get(url)
    assert response.status_code == 200, name
    with Image.open(io.BytesIO(response.content), formats=("JPEG", "PNG", "WEBP")) as picture:
        assert getattr(picture, "n_frames", 1) == 1, name
        assert not picture.getexif().get_ifd(IFD.GPSInfo), name
        assert set(picture.info) & {"exif", "comment", "xmp", "XML:com.adobe.xmp"} == set(), name


@on_embedded
@pytest.mark.slow
async def test_every_hostile_file_is_refused_in_a_sentence_or_becomes_a_good_record(service: Service) -> None:
    person = await service.register("mallory")
    watch = Watch(service)
    looking = asyncio.create_task(watch.look())
    taken, slow, wrong = Counter[bool](), list[tuple[float, str]](), list[str]()
    files = corpus()

    async def send() -> None:
        for sent in files:
            is_taken, seconds = await outcome(service, person, sent)
            watch.see_workers()
            taken[is_taken] += 1
            if seconds > MOST_SECONDS * crowd():
                slow.append((seconds, sent.name))
            if sent.is_good is not None and is_taken is not sent.is_good:
                wrong.append(sent.name)

    try:
        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
    finally:
        watch.is_over = True
        await looking

    assert (wrong, slow) == ([], [])
    assert sum(taken.values()) >= LEAST_FILES
    assert min(taken[True], taken[False]) > LEAST_FILES // 10
    assert MIB < watch.peak_bytes <= MOST_BYTES
    assert set(watch.answers) == {200}
    assert await service.services.uploads.sweep(is_alone=True) == 0
    for kind, content in (("track", mp3()), ("cover", jpeg())):
        assert (await service.upload(kind, content, by=person)).status_code == 200
