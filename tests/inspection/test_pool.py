"""The inspector with real worker processes: hostile files cost a worker at most, and the next call works."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO

import pytest
from PIL import Image

from pet.domain.errors import Unavailable, UnsupportedMedia
from pet.domain.media import MAX_PIXELS, MIB, AudioFacts, AudioFormat, CleanImage, ImageFormat, MediaInspector
from pet.inspection.pool import AUDIO_REFUSAL, IMAGE_REFUSAL, MEMORY_BYTES, PICTURE_MAX_BYTES, WorkerInspector
from pet.inspection.worker import Limits, Remote, UnreadableError
from pet.inspection.workers import MOST_RESULT_BYTES, Workers
from tests import media_factory

SERVICE = """
import asyncio, sys
from pathlib import Path
from pet.inspection.pool import WorkerInspector

async def serve(finished: str, endless: str, clean: str) -> None:
    inspector, clean = WorkerInspector(), Path(clean)
    await inspector.image(Path(finished), clean=clean)
    busy = asyncio.create_task(inspector.image(Path(endless), clean=clean))
    await asyncio.sleep(0.2)
    print("serving", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await inspector.close()
    try:
        await busy
    except Exception as error:
        print(type(error).__name__)

asyncio.run(serve(*sys.argv[1:]))
"""


Make = Callable[..., WorkerInspector]


@pytest.fixture
async def make_inspector() -> AsyncIterator[Make]:
    """Make inspectors, each on workers of its own, that end with the test."""
    async with AsyncExitStack() as stack:

        def make(*, workers: Workers | None = None, **limits: Any) -> WorkerInspector:
            inspector = WorkerInspector(workers=workers, **limits)
            stack.push_async_callback(inspector.close)
            return inspector

        yield make


@pytest.fixture
def inspector(make_inspector: Make) -> WorkerInspector:
    return make_inspector()


@pytest.fixture
def store(tmp_path: Path) -> Callable[[bytes], Path]:
    """Store bytes as a new file, whose name tells nothing."""
    numbers = count()

    def write(content: bytes) -> Path:
        path = tmp_path / f"{next(numbers)}.bin"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def made(store: Callable[[bytes], Path]) -> Path:
    """An empty file, for what a worker writes."""
    return store(b"")


@pytest.fixture
def photo(store: Callable[[bytes], Path]) -> Path:
    return store(media_factory.jpeg())


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A file that never ends: its reader waits for whoever holds the other side."""
    path = tmp_path / "pipe.bin"
    os.mkfifo(path)
    return path


def content_of(path: Path) -> bytes | None:
    """Return what is in a file; None where there is no file."""
    return path.read_bytes() if path.exists() else None


async def image_of(inspector: MediaInspector, path: Path) -> CleanImage:
    """Have an image cleaned, and its new bytes thrown away."""
    with NamedTemporaryFile() as clean:
        return await inspector.image(path, clean=Path(clean.name))


async def facts_of(inspector: MediaInspector, path: Path) -> AudioFacts:
    """Have an audio file read, and its artwork thrown away."""
    with NamedTemporaryFile() as artwork:
        return await inspector.audio(path, artwork=Path(artwork.name))


async def other_side(pipe: Path) -> int:
    """Return the handle of a pipe's writing side, once a worker reads from it."""
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            await asyncio.sleep(0.01)


def children(parent: int | str = "self") -> set[int]:
    """Return the process ids of a process's children."""
    found = set[int]()
    for task in Path(f"/proc/{parent}/task").iterdir():
        with suppress(OSError):  # the thread has ended meanwhile
            found |= {int(child) for child in (task / "children").read_text(encoding="ascii").split()}
    return found


@pytest.fixture
def workers() -> Callable[[], set[int]]:
    """Return the processes that this test has started; other tests' loops may still have workers of their own."""
    strangers = children()
    return lambda: children() - strangers


async def test_the_facts_tags_and_artwork_of_a_song(
    inspector: WorkerInspector, store: Callable[[bytes], Path], made: Path
) -> None:
    song = media_factory.mp3(title="Tide", artist="Moon", album="Sea", artwork=media_factory.jpeg())

    facts = await inspector.audio(store(song), artwork=made)

    assert facts.duration_seconds == pytest.approx(1.0, abs=0.1)
    assert facts == AudioFacts(
        format=AudioFormat.MP3,
        mime_type="audio/mpeg",
        duration_seconds=facts.duration_seconds,
        bitrate_kbps=128,
        title="Tide",
        artist="Moon",
        album="Sea",
        has_artwork=True,
    )
    assert content_of(made) == media_factory.jpeg()


async def test_a_song_without_artwork_writes_none(
    inspector: WorkerInspector, store: Callable[[bytes], Path], made: Path
) -> None:
    facts = await inspector.audio(store(media_factory.mp3()), artwork=made)

    assert (facts.has_artwork, content_of(made)) == (False, b"")


async def test_a_picture_with_its_new_bytes(inspector: MediaInspector, photo: Path, made: Path) -> None:
    image = await inspector.image(photo, clean=made)

    assert image == CleanImage(ImageFormat.JPEG, "image/jpeg", 64, 48)
    with Image.open(made) as new:
        assert (new.format, new.size) == ("JPEG", (64, 48))


async def test_a_disk_that_takes_no_picture_is_not_the_files_fault(
    inspector: WorkerInspector, store: Callable[[bytes], Path], photo: Path
) -> None:
    full, song = Path("/dev/full"), store(media_factory.mp3(artwork=media_factory.jpeg()))

    for looking in (inspector.image(photo, clean=full), inspector.audio(song, artwork=full)):
        with pytest.raises(OSError, match="No space left on device") as refused:
            await looking
        assert refused.value.errno == errno.ENOSPC

    assert (await image_of(inspector, photo)).width == 64


async def test_a_picture_whose_file_is_gone_is_not_written(inspector: WorkerInspector, photo: Path, made: Path) -> None:
    gone = made.with_name("gone")

    with pytest.raises(OSError, match="No such file"):
        await inspector.image(photo, clean=gone)

    assert content_of(gone) is None


def many_bytes(file: BinaryIO, count: int) -> bytes:
    """A job that sends much."""
    return bytes(count)


async def test_a_worker_neither_writes_nor_sends_more_than_it_may(
    store: Callable[[bytes], Path], photo: Path, made: Path
) -> None:
    pool, limits = Workers(), Limits(10, MEMORY_BYTES, 20.0, file_bytes=1000)
    job = Remote[CleanImage]("pet.inspection.images:clean_image", (made,))
    small = store(media_factory.saved_image(Image.new("L", (8, 8)), "PNG"))
    try:
        with pytest.raises(UnreadableError, match="would have to be written"):
            await pool.run(job, photo, limits)
        assert len(content_of(made) or b"") <= 1000
        with pytest.raises(UnreadableError, match=r"a result of \d+ bytes"):
            await pool.run(partial(many_bytes, count=MOST_RESULT_BYTES), photo, limits)
        assert (await pool.run(job, small, limits)).width == 8
    finally:
        await pool.close()


async def test_what_is_neither_song_nor_picture_is_refused_with_the_formats_that_are_accepted(
    inspector: WorkerInspector, store: Callable[[bytes], Path]
) -> None:
    for content in (b"", b"This is a text.\n" * 1000, bytes(range(256)) * 100, media_factory.png_bomb()):
        file = store(content)
        with pytest.raises(UnsupportedMedia) as audio:
            await facts_of(inspector, file)
        with pytest.raises(UnsupportedMedia) as image:
            await image_of(inspector, file)
        assert (audio.value.message, image.value.message) == (AUDIO_REFUSAL, IMAGE_REFUSAL)


@pytest.mark.parametrize(
    ("make_song", "limits"),
    [
        pytest.param(media_factory.mp3_with_slow_tag, {"wall_seconds": 1.5}, id="wall_time"),
        pytest.param(media_factory.mp3_with_huge_tag, {"memory_bytes": 64 * MIB}, id="memory"),
    ],
)
async def test_a_song_whose_tags_exhaust_a_limit_is_accepted_without_them(
    make_song: Callable[[], bytes],
    limits: dict[str, Any],
    make_inspector: Make,
    store: Callable[[bytes], Path],
    photo: Path,
) -> None:
    inspector = make_inspector(**limits)

    facts = await facts_of(inspector, store(make_song()))

    assert (facts.format, facts.bitrate_kbps, facts.title, facts.has_artwork) == (AudioFormat.MP3, 128, None, False)
    assert (await image_of(inspector, photo)).width == 64


async def test_others_are_served_while_a_song_burns_its_cpu_time(
    make_inspector: Make, store: Callable[[bytes], Path], photo: Path
) -> None:
    inspector = make_inspector(cpu_seconds=1)
    hostile = asyncio.create_task(facts_of(inspector, store(media_factory.mp3_with_slow_tag())))

    image = await image_of(inspector, photo)

    assert (image.width, hostile.done()) == (64, False)
    facts = await hostile
    assert (facts.format, facts.bitrate_kbps, facts.title) == (AudioFormat.MP3, 128, None)


async def test_a_picture_that_exhausts_the_memory_is_refused(
    make_inspector: Make, store: Callable[[bytes], Path], photo: Path
) -> None:
    inspector = make_inspector(memory_bytes=64 * MIB)

    with pytest.raises(UnsupportedMedia):
        await image_of(inspector, store(media_factory.jpeg(6000, 4000)))

    assert (await image_of(inspector, photo)).width == 64


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: media_factory.jpeg.__wrapped__(5_000, 5_000, 6), id="jpeg_turned"),
        pytest.param(lambda: media_factory.saved_image(Image.new("RGB", (5_000, 5_000)), "PNG"), id="png"),
        pytest.param(
            lambda: media_factory.saved_image(
                media_factory.picture(2_828, 2_828).convert("RGBA"), "WEBP", lossless=True, method=0, quality=0
            ),
            id="webp_without_loss",
        ),
    ],
)
async def test_the_largest_pictures_fit_into_the_memory(
    make: Callable[[], bytes], store: Callable[[bytes], Path], made: Path
) -> None:
    pool, job = Workers(), Remote[CleanImage]("pet.inspection.images:clean_image", (made,))
    try:
        image = await pool.run(job, store(make()), Limits(60, MEMORY_BYTES, 120.0, PICTURE_MAX_BYTES))
        assert image.width * image.height > 0.99 * MAX_PIXELS[image.format]
    finally:
        await pool.close()


async def test_every_job_has_its_cpu_time_to_itself(
    make_inspector: Make, workers: Callable[[], set[int]], store: Callable[[bytes], Path]
) -> None:
    inspector = make_inspector(cpu_seconds=1)
    large = store(media_factory.jpeg(5000, 5000))

    widths = [(await image_of(inspector, large)).width for _ in range(12)]

    assert widths == [5000] * 12
    assert len(workers()) == 1


async def test_a_worker_that_is_killed_at_work_costs_its_caller_the_file_and_nobody_else(
    workers: Callable[[], set[int]], inspector: WorkerInspector, pipe: Path, photo: Path
) -> None:
    victim = asyncio.create_task(image_of(inspector, pipe))
    handle = await other_side(pipe)
    (worker,) = workers()

    os.kill(worker, signal.SIGKILL)

    with pytest.raises(UnsupportedMedia):
        await victim
    os.close(handle)
    assert (await image_of(inspector, photo)).width == 64
    assert worker not in workers()


async def test_a_worker_that_died_idle_is_replaced(
    workers: Callable[[], set[int]], inspector: WorkerInspector, photo: Path
) -> None:
    await image_of(inspector, photo)
    (worker,) = workers()

    os.kill(worker, signal.SIGKILL)

    assert (await image_of(inspector, photo)).width == 64
    assert worker not in workers()


async def test_a_file_that_never_ends_is_refused_in_time(make_inspector: Make, pipe: Path, photo: Path) -> None:
    inspector = make_inspector(wall_seconds=0.5)
    waiting = asyncio.create_task(image_of(inspector, pipe))
    handle = await other_side(pipe)

    with pytest.raises(UnsupportedMedia):
        await waiting

    os.close(handle)
    assert (await image_of(inspector, photo)).width == 64


async def test_two_files_are_looked_into_at_once_and_a_third_waits_its_turn(
    workers: Callable[[], set[int]], inspector: WorkerInspector, pipe: Path, photo: Path, tmp_path: Path
) -> None:
    second_pipe = tmp_path / "second.bin"
    os.mkfifo(second_pipe)
    first = asyncio.create_task(image_of(inspector, pipe))
    second = asyncio.create_task(image_of(inspector, second_pipe))
    handles = [await other_side(pipe), await other_side(second_pipe)]
    third = asyncio.create_task(image_of(inspector, photo))
    await asyncio.sleep(0.1)

    assert (len(workers()), third.done()) == (2, False)

    for handle in handles:
        os.set_blocking(handle, True)
        os.write(handle, media_factory.png())
        os.close(handle)
    images = await asyncio.gather(first, second, third)
    assert [image.format for image in images] == [ImageFormat.PNG, ImageFormat.PNG, ImageFormat.JPEG]


async def test_a_cancelled_call_ends_its_worker(
    workers: Callable[[], set[int]], inspector: WorkerInspector, pipe: Path, photo: Path
) -> None:
    call = asyncio.create_task(image_of(inspector, pipe))
    handle = await other_side(pipe)

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    os.close(handle)
    assert workers() == set()
    assert (await image_of(inspector, photo)).width == 64


async def test_signals_for_the_service_leave_a_worker_at_work(
    workers: Callable[[], set[int]], inspector: WorkerInspector, pipe: Path
) -> None:
    call = asyncio.create_task(image_of(inspector, pipe))
    handle = await other_side(pipe)

    for worker in workers():
        os.kill(worker, signal.SIGINT)
        os.kill(worker, signal.SIGTERM)
    os.write(handle, media_factory.png())
    os.close(handle)

    assert (await call).format is ImageFormat.PNG


async def test_a_machine_that_starts_no_worker_is_not_the_files_fault(
    inspector: WorkerInspector, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for broken_python in ("/no/such/python", "/bin/true"):
        monkeypatch.setattr(sys, "executable", broken_python)
        with pytest.raises(Unavailable, match="Media Service is temporarily unavailable"):
            await image_of(inspector, photo)

    monkeypatch.undo()
    assert (await image_of(inspector, photo)).width == 64


async def test_a_file_that_is_not_there_is_not_called_unsupported(inspector: WorkerInspector, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await image_of(inspector, tmp_path / "absent.bin")


def test_workers_end_with_their_service_idle_or_busy(photo: Path, pipe: Path, made: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE, photo, pipe, made], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == b"serving\n"
        pids = children(service.pid)
        service.communicate()

    assert service.returncode == 0
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert pids


async def test_a_worker_is_replaced_after_its_share_of_jobs(
    make_inspector: Make, workers: Callable[[], set[int]], photo: Path
) -> None:
    inspector, seen = make_inspector(workers=Workers(jobs_each=2)), set()
    for _ in range(3):
        await image_of(inspector, photo)
        seen |= workers()

    assert len(seen) == 2


async def test_a_worker_that_is_idle_for_long_gives_its_memory_back(
    make_inspector: Make, workers: Callable[[], set[int]], photo: Path
) -> None:
    inspector = make_inspector(workers=Workers(idle_seconds=0.05))
    await image_of(inspector, photo)

    for _ in range(1000):
        await asyncio.sleep(0.01)
        if not workers():
            break

    assert workers() == set()
    assert (await image_of(inspector, photo)).width == 64


async def test_only_so_many_files_wait_for_a_worker(make_inspector: Make, pipe: Path, photo: Path) -> None:
    inspector = make_inspector(workers=Workers(most=1, most_waiting=1))
    busy = asyncio.create_task(image_of(inspector, pipe))
    handle = await other_side(pipe)
    waiting = asyncio.create_task(image_of(inspector, photo))
    await asyncio.sleep(0)

    with pytest.raises(Unavailable):
        await image_of(inspector, photo)

    os.set_blocking(handle, True)
    os.write(handle, media_factory.png())
    os.close(handle)
    assert [image.format for image in await asyncio.gather(busy, waiting)] == [ImageFormat.PNG, ImageFormat.JPEG]


def environment(file: BinaryIO) -> list[str]:
    """A job that tells what a worker knows of the service's environment."""
    return sorted(os.environ)


async def test_a_worker_knows_none_of_the_services_secrets(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PET_SECRET_KEY", "x" * 40)
    pool = Workers()

    names = await pool.run(environment, photo, Limits(1, 64 * MIB, 5.0))

    assert "PATH" in names
    assert [name for name in names if name.startswith(("PET_", "AWS_"))] == []
    await pool.close()


def test_the_service_loads_no_parser_of_media() -> None:
    loaded = "import sys, pet.app; print([name for name in ('av', 'mutagen', 'PIL') if name in sys.modules])"

    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True).stdout == b"[]\n"
