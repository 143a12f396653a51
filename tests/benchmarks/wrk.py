"""The generator of load, which Debian has."""

from __future__ import annotations

import os
import shutil

import pytest


def require_wrk() -> None:
    """Skip the test where there is no wrk, but never where CI should have seen to it."""
    if shutil.which("wrk") is None and os.environ.get("CI") == "true":
        pytest.fail("There is no wrk; `make wrk` installs it.")
    if shutil.which("wrk") is None:
        pytest.skip("There is no wrk; `make wrk` installs it.")
