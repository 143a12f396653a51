"""A page in a real browser, served from another local origin than the API's."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from pet.pages.explorer import BUILT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",  # a container's root has no other way
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]

expect.set_options(timeout=30_000)  # milliseconds: a page on a busy machine takes its time

PLAYER = """async (url) => {
    const audio = document.body.appendChild(new Audio(url));
    audio.controls = true;
    const next = (name) => new Promise((done, failed) => {
        audio.addEventListener(name, done, { once: true });
        audio.addEventListener('error', () => failed(new Error(audio.error.message)), { once: true });
    });
    await next('loadedmetadata');
    await audio.play();
    await next('timeupdate');
    const sought = next('seeked');
    audio.currentTime = 200;
    await sought;
    await next('timeupdate');
    return { duration: Math.round(audio.duration), at: Math.floor(audio.currentTime), paused: audio.paused };
}"""
"""Plays a track of 240 seconds, seeks to 200, and tells where that led."""


class _EmptyPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer every path with the same page."""
        content = b"<!doctype html><html lang=en><link rel=icon href=data:,><title>An app</title><h1>An app</h1></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def installed_browser() -> str:
    """Return the path of a Chromium; skip the test where there is none, but never where CI should have seen to it."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("no Chromium is on the PATH: `make browser` installs one")
    if found is None:
        pytest.skip("no Chromium is on the PATH: `make browser` installs one")
    return found


def built_explorer() -> Path:
    """Return the folder of the built explorer; skip the test where it was not built, but never in CI."""
    if (BUILT / "index.html").exists():
        return BUILT
    if os.environ.get("CI") == "true":
        pytest.fail("the explorer is not built: `make explorer` builds it")
    pytest.skip("the explorer is not built: `make explorer` builds it")


@contextmanager
def other_origin() -> Iterator[str]:
    """Serve an empty page; the URL is an origin that no API runs on."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _EmptyPage)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@asynccontextmanager
async def open_page(url: str, *, bearing: str | None = None) -> AsyncIterator[Page]:
    """Open a page; at the end nothing may have gone wrong in it that its script did not handle.

    Args:
        bearing: what the browser complains of, though the script handles it: each answer of 400 or more.
    """
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=installed_browser(), args=ARGUMENTS)
        page = await browser.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(url)
        yield page
        await browser.close()
    assert [text for text in complaints if bearing is None or bearing not in text] == []
