"""Load that is not answered well is no measurement."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.measuring.load import Request, ask, load
from benchmarks.measuring.servers import Server, free_port, server

from tests.benchmarks.wrk import require_wrk

pytestmark = pytest.mark.slow


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Server]:
    """A server with one file."""
    (tmp_path / "there.txt").write_text("found")
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    with server("files", command, port, folder=tmp_path) as running:
        yield running


def test_a_load_has_its_figures(files: Server) -> None:
    require_wrk()
    figures = load(files, [Request("/there.txt")], seconds=0.3, connections=2)
    assert list(figures) == ["requests/s", "MB/s", "p50 ms", "p99 ms", "CPU us"]
    assert [name for name, value in figures.items() if value <= 0] == []


@pytest.mark.parametrize(("place", "said"), [(0, "status=404"), (3, "Non-2xx")], ids=["asked before", "under load"])
def test_an_answer_that_is_no_success_fails(files: Server, place: int, said: str) -> None:
    require_wrk()
    requests = [Request("/there.txt")] * 3
    requests.insert(place, Request("/missing.txt"))
    with pytest.raises(RuntimeError, match=said):
        load(files, requests, seconds=0.3, connections=2)


def test_a_request_goes_out_as_it_is_meant(files: Server) -> None:
    answer = ask(files, Request("/there.txt", headers={"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}))
    assert (answer.status, answer.body) == (304, b"")


def test_a_server_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(RuntimeError, match=r"broken does not answer:\n.*No module named missing"),
        server("broken", [sys.executable, "-m", "missing"], free_port()),
    ):
        pass
