"""Taking the port: which addresses are listened on, and the sentence where that cannot be."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from pet.server import listen
from pet.settings import SettingsError
from tests.e2e.server import free_port


@contextmanager
def listening(host: str, port: int) -> Iterator[None]:
    with ExitStack() as stack:
        for listener in listen(host, port):
            stack.enter_context(listener)
        yield


def answers(address: str, port: int) -> bool:
    """Tell whether a connection to an address is taken."""
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::"])  # noqa: S104
def test_every_usual_host_answers_on_this_machine(host: str) -> None:
    port = free_port()
    with listening(host, port):
        assert answers("127.0.0.1", port)
        assert answers("localhost", port)
    assert not answers("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "reason"),
    [("192.0.2.7", "Cannot assign requested address"), ("no-such-host.invalid", "")],
    ids=["not of this machine", "unknown"],
)
def test_an_address_that_is_not_ours_is_told(host: str, reason: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        listen(host, 3000)
    [sentence] = refusal.value.sentences
    assert sentence.startswith(f"Cannot listen on {host} (PET_HOST), port 3000 (PET_PORT): {reason}")


def test_a_port_that_is_taken_is_told_and_can_be_taken_later() -> None:
    port = free_port()
    with listening("127.0.0.1", port), pytest.raises(SettingsError, match="Address already in use"):
        listen("127.0.0.1", port)
    with listening("127.0.0.1", port):
        assert answers("127.0.0.1", port)
