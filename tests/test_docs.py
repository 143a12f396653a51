"""The page at /docs: served with a policy that lets nothing else in, and alive in a browser without any other host."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Page, expect
from playwright.async_api import Route as PageRoute
from starlette.applications import Starlette

from pet.pages.docs import docs_routes
from pet.pages.headers import page_headers, policy_of_inline_blocks
from tests import media_factory
from tests.e2e.page import built_explorer, open_page
from tests.e2e.server import Server, serve

PAGE = "<!doctype html><title>The REST API</title>"
SCRIPT = b"export const answer = 42;\n" * 50
MISSING = Path(__file__).parents[1] / "src" / "pet" / "pages" / "docs_missing.html"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What a build leaves behind, in small."""
    assets = tmp_path / "docs" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "docs.html").write_text(PAGE)
    (assets / "docs-1a2b.js").write_bytes(SCRIPT)
    (assets / "docs-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    return tmp_path


@pytest.fixture
async def client(built: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the page."""
    async with client_of(built) as opened:
        yield opened


def client_of(built: Path) -> httpx.AsyncClient:
    app = Starlette(routes=docs_routes({"openapi": "3.1.1"}, built))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pet")


async def test_the_page_comes_with_its_policy(client: httpx.AsyncClient) -> None:
    response = await client.get("/docs")
    assert (response.status_code, response.text) == (200, PAGE)
    assert dict(response.headers) == {
        "content-type": "text/html; charset=utf-8",
        "content-length": str(len(PAGE)),
        "cache-control": "no-cache",
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "content-security-policy": (
            "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
            "img-src 'self' data: blob:; media-src 'self' blob:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    }


async def test_its_files_are_kept_for_ever(client: httpx.AsyncClient) -> None:
    response = await client.get("/docs/assets/docs-1a2b.js", headers={"Accept-Encoding": "gzip"})
    assert (response.status_code, response.content) == (200, SCRIPT)
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["nothing.js", "", "../../docs.html", "%2e%2e/%2e%2e/docs.html"])
async def test_there_are_no_other_files(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/docs/assets/{path}")).status_code == 404


async def test_where_nothing_was_built_a_plain_page_says_how(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        response = await client.get("/docs")
        assert response.status_code == 200
        assert "<code>make explorer</code>" in response.text
        assert response.headers["content-security-policy"] == policy_of_inline_blocks(response.text)
        assert (await client.get("/docs/assets/docs-1a2b.js")).status_code == 404
        assert (await client.get("/openapi.json")).json() == {"openapi": "3.1.1"}


@pytest.mark.browser
@pytest.mark.slow
class TestInABrowser:
    """The built page against a real server, where nothing may appear on the console."""

    async def test_an_operation_is_read_and_tried_out_and_no_other_host_is_asked(self, tmp_path: Path) -> None:
        built_explorer()
        async with serve(tmp_path / "data") as server, open_page("about:blank") as page:
            await server.service.register("muse")
            hosts: set[str] = set()
            page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
            await page.goto(f"{base_of(server)}/docs")
            await expect(page.locator(".info .title")).to_contain_text("PET")
            await expect(page.locator(".opblock-tag")).to_have_count(5)

            operation = page.locator("#operations-Users-getProfileByUsername")
            await operation.locator(".opblock-summary-control").click()
            await operation.get_by_placeholder("username").fill("muse")
            await operation.get_by_role("button", name="Execute").click()
            answer = operation.locator(".live-responses-table")
            await expect(answer.locator(".response-col_status").last).to_contain_text("200")
            await expect(answer).to_contain_text('"username": "muse"')
            assert hosts == {urlsplit(base_of(server)).netloc}

    async def test_a_token_is_sent_and_a_file_can_be_chosen(self, tmp_path: Path) -> None:
        built_explorer()
        async with serve(tmp_path / "data") as server, open_page(f"{base_of(server)}/docs") as page:
            muse = await server.service.register("muse")
            await page.get_by_role("button", name="Authorize").click()
            await page.locator(".auth-container input").fill(muse.access_token)
            await page.locator(".auth-btn-wrapper").get_by_role("button", name="Apply credentials").click()
            await page.get_by_role("button", name="Close").last.click()
            await self._upload(page, muse.user_id)
            response = await server.client.get(f"/media/avatar/{muse.user_id}")
            assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")

    async def test_the_plain_page_lists_every_operation(self, tmp_path: Path) -> None:
        html = MISSING.read_text(encoding="utf-8")
        headers = page_headers(policy_of_inline_blocks(html)) | {"Content-Type": "text/html; charset=utf-8"}

        async def plain_page(route: PageRoute) -> None:
            await route.fulfill(body=html, headers=headers)

        async with serve(tmp_path / "data") as server, open_page("about:blank") as page:
            await page.route("**/docs", plain_page)
            await page.goto(f"{base_of(server)}/docs")
            await expect(page.locator("h1")).to_have_text(re.compile("not built yet"))
            described = (await server.client.get("/openapi.json")).json()["paths"].values()
            await expect(page.locator("dt")).to_have_count(sum(len(methods) for methods in described))
            await expect(page.locator("dt").first).to_have_text("POST /auth/register")

    @staticmethod
    async def _upload(page: Page, user_id: str) -> None:
        operation = page.locator("#operations-Media-uploadAvatar")
        await operation.locator(".opblock-summary-control").click()
        image = {"name": "face.jpg", "mimeType": "image/jpeg", "buffer": media_factory.jpeg()}
        await operation.locator("input[type=file]").set_input_files(image)  # type: ignore[arg-type]
        await operation.get_by_placeholder("userId").fill(user_id)
        await operation.get_by_role("button", name="Execute").click()
        await expect(operation.locator(".live-responses-table")).to_contain_text('"type": "avatar"')


def base_of(server: Server) -> str:
    return str(server.client.base_url).rstrip("/")
