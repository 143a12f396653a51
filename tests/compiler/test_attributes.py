"""Which methods are known to do nothing but read an attribute."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest

from pet.compiler.attributes import attribute_read_by

UNLIKE = object()


def one(self: Any) -> Any:
    return self.name


def three(itself: Any) -> Any:
    """A docstring does nothing."""
    return itself.view.profile.name


@wraps(one)
def wrapped(self: Any) -> Any:
    return self.other


async def awaited(self: Any) -> Any:
    return self.name


def none(self: Any) -> None:
    del self


@pytest.mark.parametrize(("method", "path"), [(one, "name"), (three, "view.profile.name")], ids=["one", "three"])
def test_a_method_that_reads_an_attribute_is_known_by_its_path(method: Callable[..., Any], path: str) -> None:
    assert attribute_read_by(method) == path


@pytest.mark.parametrize(
    "method",
    [
        lambda self: self,
        lambda self: str(self.name),
        lambda self: self.name(),
        lambda self: self.name[0],
        lambda self: self.name or None,
        lambda self: (self.name, self.name),
        lambda self: UNLIKE.name,  # type: ignore[attr-defined]
        lambda self, other: other.name,
        lambda: UNLIKE.name,  # type: ignore[attr-defined]
        lambda self: lambda: self.name,
        lambda self: (yield self.name),
        lambda self: not self.name,
        wrapped,
        awaited,
        none,
        str.upper,
        len,
    ],
)
def test_any_other_is_called(method: Callable[..., Any]) -> None:
    assert attribute_read_by(method) is None
