"""Programs that people really use get the right bytes, and sound from the right moment, by every way of delivery."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from pet.domain.media import MIB
from tests.chirps import MAKERS, PERIOD_SECONDS, SECONDS, chirp, seconds_at
from tests.e2e.page import open_page, other_origin
from tests.e2e.ways import Way, opened_way
from tests.engines.programs import run_program

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

WAV = chirp("wav")
"""5 MB: the largest, for whoever downloads in pieces."""

MOMENTS = [3.0, 55.3, 24.2]
"""Some before and some behind what a player has loaded meanwhile; the last one goes back."""

AS_FAR_OFF = 0.05
"""Seconds; encoders delay the sound by up to half of this."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["folder-proxy", "folder-accel", "s3-redirect"])
async def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Way]:
    async with opened_way(request.param, request, tmp_path_factory) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def urls(way: Way) -> dict[str, str]:
    """The URL of a track of each kind."""
    base = str(way.client.base_url).rstrip("/")
    return {kind: base + await way.upload(chirp(kind), f"chirp.{kind}") for kind in MAKERS}


async def test_curl_goes_on_where_it_was_interrupted(urls: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "song.wav"
    file.write_bytes(WAV[:2_000_001])
    report = "%{http_code} %{size_download}"
    told, _ = await run_program("curl", "-sSL", "-C", "-", "-o", str(file), "-w", report, urls["wav"])
    assert (told.decode(), file.read_bytes() == WAV) == (f"206 {len(WAV) - 2_000_001}", True)


async def test_wget_goes_on_where_it_was_interrupted_and_finds_a_whole_file_whole(
    urls: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "song.wav"
    file.write_bytes(WAV[:2_000_001])
    _, said = await run_program("wget", "-c", "--no-verbose", "--server-response", "-O", str(file), urls["wav"])
    assert ("HTTP/1.1 206 " in said, file.read_bytes() == WAV) == (True, True)
    _, said = await run_program("wget", "-c", "--server-response", "-O", str(file), urls["wav"])
    assert ("HTTP/1.1 416 " in said, file.read_bytes() == WAV) == (True, True)


async def test_aria2_downloads_in_pieces_at_once(urls: dict[str, str], tmp_path: Path) -> None:
    written, _ = await run_program(
        "aria2c",
        "-x8",
        "-s8",
        "-k1M",
        "--log=-",
        "--log-level=info",
        "-d",
        str(tmp_path),
        "-o",
        "song.wav",
        urls["wav"],
    )
    pieces = set(re.findall(r"^Range: bytes=(\d+)-", written.decode(errors="replace"), flags=re.MULTILINE))
    assert len(pieces) >= 4  # one for each MB, the first of which asks for everything
    assert (tmp_path / "song.wav").read_bytes() == WAV


@pytest.mark.parametrize("kind", MAKERS)
async def test_ffprobe_finds_kind_and_duration(urls: dict[str, str], kind: str) -> None:
    written, said = await run_program("ffprobe", "-v", "warning", "-show_format", "-of", "json", urls[kind])
    found = json.loads(written)["format"]
    assert kind in found["format_name"].split(",")
    assert float(found["duration"]) == pytest.approx(SECONDS, abs=AS_FAR_OFF)
    assert int(found["size"]) == len(chirp(kind))
    assert [line for line in said.splitlines() if "Estimating duration" not in line] == []


@pytest.mark.parametrize("kind", MAKERS)
async def test_ffmpeg_decodes_from_where_it_seeks_to(urls: dict[str, str], kind: str) -> None:
    for moment in MOMENTS:
        as_samples = ["-t", "0.2", "-f", "s16le", "-ac", "1", "-ar", "44100", "-"]
        written, _ = await run_program("ffmpeg", "-v", "error", "-ss", str(moment), "-i", urls[kind], *as_samples)
        heard = seconds_at(np.frombuffer(written, np.int16), 44_100)
        assert heard == pytest.approx(moment % PERIOD_SECONDS, abs=AS_FAR_OFF)


UPLOADER = """async ([url, token, userId, size]) => {
    const form = new FormData();
    form.append("userId", userId);
    form.append("file", new File([new Uint8Array(size)], "song.wav"));
    const answer = await fetch(url, {method: "POST", body: form, headers: {Authorization: token}});
    return [answer.status, (await answer.json()).error];
}"""


@pytest.mark.browser
@pytest.mark.parametrize("way", ["folder-accel"], indirect=True)
async def test_a_page_of_another_origin_is_told_why_a_file_is_too_large(way: Way) -> None:
    url = str(way.client.base_url.join("/media/upload/track")).replace("127.0.0.1", "localhost")
    with other_origin() as origin:
        async with open_page(origin, bearing="status of 413") as page:
            for size_mib in (101, 120):  # refused while it arrives, and at once
                sent = [url, way.owner.headers["Authorization"], way.owner.user_id, size_mib * MIB]
                status, error = await page.evaluate(UPLOADER, sent)
                told = f"The file is too large: {size_mib} MB, at most 100 MB are allowed."
                assert (status, error) == (413, told)


PLAYER = """async ([url, moments]) => {
    const player = new Audio();
    player.crossOrigin = "anonymous";
    const reached = event => new Promise((good, bad) => {
        player.addEventListener(event, good, {once: true});
        player.onerror = () => bad(new Error(player.error.message));
    });
    const known = reached("loadedmetadata");
    player.src = url;
    await known;

    const context = new AudioContext({sampleRate: 48000});
    const code = `registerProcessor("recorder", class extends AudioWorkletProcessor {
        process([[channel]]) {
            if (channel) this.port.postMessage(channel.slice());
            return true;
        }
    })`;
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], {type: "text/javascript"})));
    const recorder = new AudioWorkletNode(context, "recorder");
    context.createMediaElementSource(player).connect(recorder).connect(context.destination);
    await context.resume();

    const heard = [];
    for (const moment of moments) {
        const sought = reached("seeked");
        player.currentTime = moment;
        await sought;
        const at = player.currentTime;
        const samples = [];
        const enough = new Promise(done => {
            recorder.port.onmessage = ({data}) => {
                for (const sample of data) if (samples.length || sample) samples.push(sample);
                if (samples.length >= 9600) done();
            };
        });
        await player.play();
        await enough;
        recorder.port.onmessage = null;
        player.pause();
        // What is still on its way through the graph must not be taken for the next moment.
        await new Promise(done => setTimeout(done, 100));
        heard.push([at, samples.slice(0, 9600)]);
    }
    await context.close();
    return [player.duration, heard];
}"""
"""Seeks in a player of 48 kHz and records a fifth of a second of what comes out of it from its first sound on."""


@pytest.mark.browser
@pytest.mark.parametrize("way", ["folder-proxy"], indirect=True)
async def test_a_browser_plays_from_where_it_seeks_to(way: Way, urls: dict[str, str]) -> None:
    with other_origin() as origin:
        async with open_page(origin) as page:
            for kind, url in urls.items():
                duration, heard = await page.evaluate(PLAYER, [url, MOMENTS])
                assert duration == pytest.approx(SECONDS, abs=AS_FAR_OFF), kind
                for moment, (at, samples) in zip(MOMENTS, heard, strict=True):
                    assert at == pytest.approx(moment, abs=0.001), kind
                    told = seconds_at(samples, 48_000)
                    assert told == pytest.approx(moment % PERIOD_SECONDS, abs=AS_FAR_OFF), kind
