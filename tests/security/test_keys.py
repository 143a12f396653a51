from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pet.security.keys import derive_key, load_or_create_secret

LOADER = """
import sys
from pathlib import Path
from pet.security.keys import load_or_create_secret

sys.stdin.read()
print(load_or_create_secret(Path(sys.argv[1])).decode())
"""


def test_the_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    secret = load_or_create_secret(path)
    assert len(secret) == 64
    assert load_or_create_secret(path) == secret
    assert path.read_bytes() == secret + b"\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


def test_two_installations_have_different_secrets(tmp_path: Path) -> None:
    assert load_or_create_secret(tmp_path / "one") != load_or_create_secret(tmp_path / "two")


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADER, str(tmp_path / "secret")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:  # all have been started; the end of their input lets them go
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    secrets = {process.communicate()[0].strip() for process in processes}
    assert secrets == {(tmp_path / "secret").read_text().strip()}
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


def test_a_secret_that_an_operator_wrote_is_taken_without_its_line_break(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s" * 32 + "\n")
    assert load_or_create_secret(tmp_path / "secret") == b"s" * 32


@pytest.mark.parametrize("content", ["", "\n", "s" * 31])
def test_a_file_without_a_whole_secret_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secret"
    path.write_text(content)
    with pytest.raises(ValueError, match="at least 32 bytes"):
        load_or_create_secret(path)
    assert path.read_text() == content


def test_a_key_depends_on_the_secret_and_the_purpose() -> None:
    keys = {
        derive_key(secret, purpose)
        for secret in (b"s" * 32, b"t" * 32)
        for purpose in ("session tokens", "media links")
    }
    assert (len(keys), {len(key) for key in keys}) == (4, {32})
    assert derive_key(b"s" * 32, "media links") in keys


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        derive_key(b"s" * 31, "media links")
