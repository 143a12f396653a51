"""A recording: a song as the WAV file that its musician would upload, with tags and cover."""

# mypy: disable-error-code="no-untyped-call"
# mutagen's functions carry no annotations.

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import wave
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mutagen.id3 import APIC, TALB, TCON, TIT2, TPE1, TRCK
from mutagen.wave import WAVE

from pet.demo.covers import cover
from pet.demo.instruments import RATE
from pet.demo.people import Album, Person, Song
from pet.demo.synth import play

_FRONT_COVER = 3
"""The type of a front cover in ID3v2.4, section 4.14 of its frames."""

_MOST_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Take:
    """What is to be recorded: a song of an album, by its musician. `seconds` cuts it off; None plays it to the end."""

    person: Person
    album: Album
    song: Song
    seconds: float | None = None

    @property
    def file_name(self) -> str:
        """The name of the file on the musician's machine."""
        return f"{self.person.name} - {self.song.title}.wav"


def takes_of(person: Person, seconds: float | None = None) -> list[Take]:
    """Return all that a person recorded, in the order of the albums."""
    return [Take(person, album, song, seconds) for album in person.albums for song in album.songs]


def record(take: Take) -> bytes:
    """Return the WAV file: 16 bits, stereo, 22,050 Hz, with ID3 tags and the cover in a chunk of their own."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((2, 2, RATE, 0, "NONE", ""))
        writer.writeframes(play(take.song.score, take.seconds).tobytes())
    buffer.seek(0)
    audio = WAVE(buffer)
    audio.add_tags()
    tags: Any = audio.tags
    for frame in _frames(take):
        tags.add(frame)
    buffer.seek(0)
    audio.save(buffer)
    return buffer.getvalue()


@contextmanager
def studio() -> Iterator[ProcessPoolExecutor]:
    """Open worker processes that record; they start with the first take.

    They are new processes and no forks: a fork of a process with threads may inherit a lock that nobody releases.
    """
    pool = ProcessPoolExecutor(
        max_workers=min(_MOST_WORKERS, os.cpu_count() or 1),
        mp_context=multiprocessing.get_context("spawn"),
    )
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def recorded(pool: ProcessPoolExecutor, take: Take) -> Future[bytes]:
    """Have a take recorded.

    A worker that starts for it inherits the blocked signal: Ctrl-C reaches all processes of a terminal, and is this
    process's to answer.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(record, take)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _frames(take: Take) -> list[object]:
    number = take.album.songs.index(take.song) + 1
    texts = ((TIT2, take.song.title), (TPE1, take.person.name), (TALB, take.album.title), (TCON, take.album.genre))
    picture = APIC(encoding=3, mime="image/jpeg", type=_FRONT_COVER, desc="", data=cover(take.album.painting))
    return [*(frame(encoding=3, text=text) for frame, text in texts), TRCK(encoding=3, text=str(number)), picture]
