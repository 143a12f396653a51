"""The command line: what each command prints, and one clear sentence for whatever an operator can mend."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pet.cli import main
from tests.e2e.server import PET, free_port, serve
from tests.engines.s3 import S3Server
from tests.media_factory import mp3

ROOT = Path(__file__).parents[1]
SECRET = "the-password-of-the-database"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return tmp_path / "data"


def pet(*arguments: str, data_dir: Path | None = None, **settings: str) -> Result:
    """Run a command in this process with these settings alone."""
    chosen = {**({"data_dir": str(data_dir)} if data_dir else {}), **settings}
    return CliRunner().invoke(main, arguments, env={f"PET_{name.upper()}": value for name, value in chosen.items()})


def require_sentence(result: Result, sentence: str) -> None:
    """A command that fails says why in one sentence, with status 1, and shows no stack trace."""
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {sentence}\n")


def accounts_in(data_dir: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(data_dir / "pet.sqlite3") as database:
        rows = database.execute("SELECT username, role FROM account ORDER BY username").fetchall()
    database.close()
    return rows


def test_help_lists_every_command() -> None:
    printed = pet("--help").stdout
    commands = re.findall(r"^  (\w+)  ", printed.partition("Commands:")[2], re.MULTILINE)
    assert commands == [
        "admin",
        "audit",
        "config",
        "demo",
        "doctor",
        "events",
        "media",
        "migrate",
        "openapi",
        "schema",
        "serve",
    ]


def test_the_version_is_the_package_s() -> None:
    assert pet("--version").stdout == "pet, version 0.1.0\n"


def test_the_schema_is_the_file_in_the_repository() -> None:
    assert pet("schema").stdout == (ROOT / "schema.graphql").read_text(encoding="utf-8")


def test_the_description_of_the_rest_api_is_printed() -> None:
    printed = json.loads(pet("openapi").stdout)
    assert printed["openapi"] == "3.1.1"
    assert "/auth/register" in printed["paths"]


def test_a_schema_that_is_up_to_date_passes_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert (pet("schema", "--check").exit_code, pet("schema", "--check").output) == (0, "")


@pytest.mark.parametrize("text", [None, "type Query { old: Int }\n"], ids=["missing", "old"])
def test_a_schema_that_differs_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "schema.graphql").write_text(text)
    sentence = "schema.graphql differs from the code. Run `make sdl` and commit the change."
    require_sentence(pet("schema", "--check"), sentence)


def test_the_configuration_shows_every_setting_and_no_secret() -> None:
    result = pet("config", port="4000", secret_key="k" * 40, database_url=f"postgres://pet:{SECRET}@db/pet")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "PET_PORT=4000  (set)" in lines
    assert "PET_HOST=127.0.0.1  (default)" in lines
    assert "PET_SECRET_KEY=***  (set)" in lines
    assert "PET_DATABASE_URL=postgres://pet:***@db/pet  (set)" in lines
    assert "PET_PUBLIC_URL=http://localhost:4000  (default)" in lines
    assert SECRET not in result.output
    assert "kkkk" not in result.output


@pytest.mark.parametrize("command", [("serve",), ("migrate",), ("config",), ("admin", "promote", "x"), ("demo",)])
def test_bad_settings_are_told_one_sentence_each(command: tuple[str, ...], data_dir: Path) -> None:
    result = pet(*command, data_dir=data_dir, port="many", prot="1")
    unknown = "PET_PROT is not a setting; did you mean PET_PORT?"
    malformed = "PET_PORT is 'many', but must be a whole number from 1 to 65535."
    require_sentence(result, f"{unknown}\n{malformed}")
    assert not data_dir.exists()


def test_migrating_makes_the_tables_and_may_be_repeated(data_dir: Path) -> None:
    for _ in range(2):
        result = pet("migrate", data_dir=data_dir)
        assert (result.exit_code, result.output) == (0, "The database is up to date.\n")
    assert accounts_in(data_dir) == []


def test_an_admin_is_made_and_another_promoted(data_dir: Path) -> None:
    made = pet("admin", "create", "root", "root@example.com", "--password", "correct horse 1", data_dir=data_dir)
    assert (made.exit_code, made.output) == (0, "root is an admin.\n")
    promoted = pet("admin", "promote", "ROOT", data_dir=data_dir)
    assert (promoted.exit_code, promoted.output) == (0, "ROOT is an admin.\n")
    assert accounts_in(data_dir) == [("root", "admin")]


def test_whom_nobody_knows_cannot_be_promoted(data_dir: Path) -> None:
    require_sentence(pet("admin", "promote", "nobody", data_dir=data_dir), "There is no user called nobody.")


@pytest.mark.parametrize(
    ("username", "email", "password", "sentence"),
    [
        pytest.param("ro", "root@example.com", "correct horse 1", "username must", id="username"),
        pytest.param("root", "root", "correct horse 1", "email must", id="email"),
        pytest.param("root", "root@example.com", "short", "password must", id="password"),
    ],
)
def test_a_malformed_admin_is_refused(data_dir: Path, username: str, email: str, password: str, sentence: str) -> None:
    result = pet("admin", "create", username, email, "--password", password, data_dir=data_dir)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {sentence}"), result.stderr
    assert result.stderr.count("\n") == 1
    assert accounts_in(data_dir) == []


@pytest.mark.parametrize("command", [("serve",), ("migrate",), ("admin", "promote", "x"), ("demo",)])
def test_a_data_directory_that_cannot_be_made_is_told(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    folder = tmp_path / "file" / "data"
    require_sentence(
        pet(*command, data_dir=folder), f"The folder {folder} (PET_DATA_DIR) cannot be made: Not a directory."
    )


@pytest.mark.parametrize("command", [("migrate",), ("admin", "promote", "x")])
def test_a_database_that_cannot_be_opened_is_told(command: tuple[str, ...], data_dir: Path, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/nowhere/pet.sqlite3"
    sentence = "The database (PET_DATABASE_URL) cannot be used: unable to open database file"
    require_sentence(pet(*command, data_dir=data_dir, database_url=url), sentence)


def test_what_is_no_database_is_told(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "song.mp3").write_bytes(mp3())
    url = f"sqlite://{tmp_path}/song.mp3"
    sentence = "The database (PET_DATABASE_URL) cannot be used: file is not a database"
    require_sentence(pet("migrate", data_dir=data_dir, database_url=url), sentence)


@pytest.mark.parametrize("command", [("migrate",), ("admin", "promote", "x")])
def test_a_database_server_that_is_down_is_told_without_its_password(command: tuple[str, ...], data_dir: Path) -> None:
    result = pet(*command, data_dir=data_dir, database_url=f"postgres://pet:{SECRET}@127.0.0.1:1/pet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The database (PET_DATABASE_URL) cannot be used: "), result.stderr
    assert result.stderr.count("\n") == 1
    assert SECRET not in result.output


def test_a_media_folder_that_cannot_be_made_is_told(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    result = pet("admin", "promote", "x", data_dir=data_dir, media_url=str(tmp_path / "file" / "media"))
    sentence = "The media store (PET_MEDIA_URL) cannot be used: Not a directory (os error 20)"
    require_sentence(result, sentence)


@pytest.mark.parametrize("command", [("serve",), ("admin", "promote", "x")], ids=["serve", "admin"])
def test_a_bucket_that_is_not_there_is_told(command: tuple[str, ...], s3_server: S3Server, tmp_path: Path) -> None:
    environment = {"PET_DATA_DIR": str(tmp_path), "PET_MEDIA_URL": "s3://pet-nowhere", "PET_PORT": str(free_port())}
    result = subprocess.run(
        [PET, *command], env={**s3_server.environment(), **environment}, capture_output=True, check=False, text=True
    )
    reason = f"{s3_server.endpoint} has no bucket pet-nowhere: make it, or correct the name."
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"Error: The media store (PET_MEDIA_URL) cannot be used: {reason}\n"


def test_a_store_that_is_not_there_is_told(s3_server: S3Server, tmp_path: Path) -> None:
    environment = {"PET_DATA_DIR": str(tmp_path), "PET_MEDIA_URL": "s3://pet", "PET_PORT": str(free_port())}
    endpoint = "http://127.0.0.1:1"
    result = subprocess.run(
        [PET, "serve"],
        env={**s3_server.environment(endpoint=endpoint), **environment},
        capture_output=True,
        check=False,
        text=True,
    )
    reason = f"nothing at {endpoint} answers as a store does: check AWS_ENDPOINT_URL and that the store is up."
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"Error: The media store (PET_MEDIA_URL) cannot be used: {reason}\n"


def test_a_secret_that_is_too_short_is_told(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "secret.key").write_text("short")
    sentence = (
        f"PET_DATA_DIR holds no usable secret key: {data_dir}/secret.key must hold a secret of at least 32 bytes."
    )
    require_sentence(pet("admin", "promote", "x", data_dir=data_dir), sentence)


@pytest.mark.parametrize("command", [("serve",), ("admin", "promote", "x")])
def test_signing_keys_that_cannot_be_used_are_told(command: tuple[str, ...], data_dir: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"

    def run() -> Result:
        return pet(*command, data_dir=data_dir, signing_keys=str(keys), port=str(free_port()))

    require_sentence(run(), f"PET_SIGNING_KEYS gives no usable keys: {keys} cannot be read: No such file or directory.")
    keys.mkdir()
    require_sentence(run(), f"PET_SIGNING_KEYS gives no usable keys: {keys} holds no private key to sign with.")


@pytest.mark.slow
async def test_the_next_request_of_someone_promoted_is_an_admin_s(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        musician, helper = [await server.service.register(name) for name in ("muse", "helper")]
        url = (await server.service.upload("track", mp3(), by=musician)).json()["file"]["url"]
        assert (await server.client.delete(url, headers=helper.headers)).status_code == 403
        promoted = subprocess.run(  # noqa: ASYNC221 - nothing else is going on
            [PET, "admin", "promote", "helper"],
            env={"PET_DATA_DIR": str(tmp_path)},
            capture_output=True,
            check=True,
            text=True,
        )
        assert (promoted.stdout, promoted.stderr) == ("helper is an admin.\n", "")
        give_up = time.monotonic() + 2
        while (status := (await server.client.delete(url, headers=helper.headers)).status_code) == 403:
            assert time.monotonic() < give_up
        assert status == 200


def test_the_command_line_starts_without_what_only_a_server_needs() -> None:
    script = (
        "import sys, pet.cli; print(sorted({'pet.app', 'uvicorn', 'strawberry', 'tortoise', 'PIL'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout == "[]\n"
