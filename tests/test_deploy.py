"""What docs/deploy.md promises of compose.yaml, the Dockerfile and deploy/, as far as it shows without containers."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from pet.cli import main
from pet.server import GRACE_SECONDS, KEEP_ALIVE_SECONDS
from pet.settings import Settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = (ROOT / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NGINX = (DEPLOY / "nginx.conf").read_text()
DOCUMENT = (ROOT / "docs" / "deploy.md").read_text()
UNIT = (DEPLOY / "pet.service").read_text()
WRITTEN = {"compose.yaml": COMPOSE, "Dockerfile": DOCKERFILE, "docs/deploy.md": DOCUMENT} | {
    f"deploy/{path.name}": path.read_text() for path in DEPLOY.iterdir()
}

SETUP: dict[str, Any] = yaml.safe_load(COMPOSE)
SERVICES: dict[str, dict[str, Any]] = SETUP["services"]
ONCE = {"migrate", "s3-bucket"}
EXACT = re.compile(r"[a-z][a-z0-9/-]*:\d+\.\d+(\.\d+)?(-[a-z]+)*")
REQUIRED = re.compile(r"\$\{(\w+):\?")
SECRET = re.compile(r"PASSWORD|SECRET|KEY|PASS$")

every_service = pytest.mark.parametrize("name", SERVICES)


def test_compose_yaml_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", WRITTEN)
def test_every_setting_that_is_named_is_one(name: str) -> None:
    named = set(re.findall(r"\bPET_[A-Z_]+\b", WRITTEN[name]))
    assert sorted(named - set(Settings.names())) == []


@every_service
def test_an_image_has_an_exact_version(name: str) -> None:
    assert EXACT.fullmatch(SERVICES[name]["image"])


def test_the_image_is_built_from_exact_versions_and_carries_the_packages_version() -> None:
    foundations = set(re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE))
    assert [image for image in foundations if not EXACT.fullmatch(image)] == []
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f'image.version="{version}"' in DOCKERFILE
    assert {SERVICES[name]["image"] for name in ("pet", "migrate")} == {f"pet-music:{version}"}


@every_service
def test_a_secret_comes_from_the_env_file_and_has_no_default(name: str) -> None:
    settings = SERVICES[name].get("environment", {})
    own = [value for key, value in settings.items() if SECRET.search(key) and value is not None]
    in_urls = [part for value in settings.values() for part in re.findall(r"://\w*:(.*)@", str(value))]
    assert [value for value in own + in_urls if not re.fullmatch(r"\$\{\w+:\?[^}]+\}", value)] == []


@every_service
def test_a_service_may_do_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("user", image_user()).split(":")[0] not in {"0", "root"}
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


@every_service
def test_a_service_is_watched_and_restarted_or_runs_once(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert (service["restart"], service["healthcheck"]) == ("no", {"disable": True})
    else:
        assert service["restart"] == "unless-stopped"
        # pet's own is in its image.
        assert service.get("healthcheck", {}).get("test") or (name == "pet" and "HEALTHCHECK" in DOCKERFILE)


@every_service
def test_a_service_waits_until_those_before_it_are_ready(name: str) -> None:
    awaited = {other: how["condition"] for other, how in SERVICES[name].get("depends_on", {}).items()}
    ready = {True: "service_completed_successfully", False: "service_healthy"}
    assert awaited == {other: ready[other in ONCE] for other in awaited}


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert SETUP["networks"]["back"] == {"internal": True}
    assert {name for name, service in SERVICES.items() if "front" in service["networks"]} == {"proxy", "pet"}


def test_pet_believes_the_proxy_alone() -> None:
    address = SERVICES["proxy"]["networks"]["front"]["ipv4_address"]
    (network,) = SETUP["networks"]["front"]["ipam"]["config"]
    assert SERVICES["pet"]["environment"]["PET_TRUSTED_PROXIES"] == address
    assert ip_address(address) in ip_network(network["subnet"])
    assert ip_address(address) not in ip_network(network["ip_range"])  # which is for everyone else
    assert address != network["gateway"]


def test_files_that_are_mounted_are_there() -> None:
    mounted = {
        source
        for service in SERVICES.values()
        for source, *_ in (volume.split(":") for volume in service.get("volumes", []))
        if source.startswith(".")
    }
    assert {source for source in mounted if not (ROOT / source).is_file()} == set()
    assert "./deploy/nginx.conf" in mounted


def test_a_stop_waits_for_requests_in_flight() -> None:
    assert int(SERVICES["pet"]["stop_grace_period"].removesuffix("s")) > GRACE_SECONDS
    assert int(unit("TimeoutStopSec")) > GRACE_SECONDS


def test_the_proxy_leaves_the_size_of_uploads_to_pet_and_drops_idle_connections_first() -> None:
    assert nginx("client_max_body_size", ";") == "0"
    assert int(nginx("keepalive_timeout", "s; # pet")) < KEEP_ALIVE_SECONDS


def test_the_proxys_own_errors_have_the_common_form() -> None:
    bodies = [json.loads(body) for body in re.findall(r"return \d+ '(.*)';", NGINX)]
    assert len(bodies) == 3
    assert [body for body in bodies if body["success"] is not False or list(body) != ["success", "error"]] == []


def test_the_image_runs_pet_as_nobody_special() -> None:
    assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", image_user())
    assert instruction("ENTRYPOINT") == ["pet"]
    assert {*instruction("CMD"), *SERVICES["migrate"]["command"]} <= set(main.commands)


@pytest.fixture
def listening() -> Iterator[tuple[int, list[str]]]:
    """A server on a free port that answers 200 to /health/live alone, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path == "/health/live" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


def test_the_images_health_check_tells_a_live_process_from_none(listening: tuple[int, list[str]]) -> None:
    port, asked = listening
    python, *arguments = json.loads(re.findall(r"^    CMD (\[.*\])$", DOCKERFILE, flags=re.MULTILINE)[0])
    assert python == "python"

    def check(port: int) -> int:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env={"PET_PORT": str(port)}, stderr=subprocess.DEVNULL, check=False).returncode

    assert check(port) == 0
    assert asked == ["/health/live"]
    assert check(1) != 0


@pytest.fixture
def make_env(tmp_path: Path) -> Path:
    """deploy/make-env in a folder of its own."""
    (tmp_path / "deploy").mkdir()
    return Path(shutil.copy(DEPLOY / "make-env", tmp_path / "deploy"))


def made(make_env: Path, *arguments: str, status: int = 0) -> dict[str, str]:
    """Run it from anywhere, and return what .env says; nothing else may be left behind."""
    ran = subprocess.run(["sh", make_env, *arguments], cwd="/", capture_output=True, text=True, check=False)
    assert ran.returncode == status, ran.stderr
    folder = make_env.parents[1]
    assert {path.name for path in folder.iterdir()} <= {"deploy", ".env"}
    lines = (folder / ".env").read_text().splitlines() if (folder / ".env").exists() else []
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_make_env_writes_all_that_compose_requires_for_its_owner_alone(make_env: Path) -> None:
    written = made(make_env, "https://music.example")
    assert set(REQUIRED.findall(COMPOSE)) <= set(written)
    assert written["PET_PUBLIC_URL"] == "https://music.example"
    assert stat.S_IMODE((make_env.parents[1] / ".env").stat().st_mode) == 0o600
    secrets = {name: value for name, value in written.items() if SECRET.search(name)}
    assert [name for name, value in secrets.items() if not re.fullmatch(r"[0-9a-f]{20,}", value)] == []
    assert len(set(secrets.values())) == len(secrets)
    assert Settings.load({"PET_SECRET_KEY": written["PET_SECRET_KEY"]}).secret_key is not None


def test_make_env_never_writes_over_the_secrets_of_data(make_env: Path) -> None:
    first = made(make_env)
    assert made(make_env, status=1) == first
    (make_env.parents[1] / ".env").unlink()
    again = made(make_env)
    assert [name for name in first if SECRET.search(name) and first[name] == again[name]] == []


def test_make_env_prepares_the_store_when_asked(make_env: Path) -> None:
    written = made(make_env, "--s3", "https://music.example")
    chosen = {name: written[name] for name in ("PET_MEDIA_URL", "PET_MEDIA_DELIVERY", "COMPOSE_PROFILES")}
    assert chosen == {"PET_MEDIA_URL": "s3://pet/media", "PET_MEDIA_DELIVERY": "proxy", "COMPOSE_PROFILES": "s3"}


@pytest.mark.parametrize("arguments", [("music.example",), ("https://",), ("https://a.example", "more"), ("--s4",)])
def test_make_env_writes_nothing_when_it_is_not_understood(make_env: Path, arguments: tuple[str, ...]) -> None:
    assert made(make_env, *arguments, status=2) == {}


def test_the_document_names_files_that_exist() -> None:
    named = set(re.findall(r"\b(?:deploy|docs|requirements)/[\w./-]*\w", DOCUMENT))
    assert {"deploy/make-env", "deploy/pet.service", "deploy/nginx.conf"} <= named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_the_unit_runs_pet_as_nobody_special() -> None:
    assert unit("User") == "pet"
    assert unit("ExecStart").endswith("/bin/pet serve")


def image_user() -> str:
    (user,) = re.findall(r"^USER (\S+)$", DOCKERFILE, flags=re.MULTILINE)
    return str(user)


def instruction(word: str) -> list[str]:
    """Return the words of an instruction in its exec form."""
    (words,) = re.findall(rf"^{word} (\[.*\])$", DOCKERFILE, flags=re.MULTILINE)
    found: list[str] = json.loads(words)
    return found


def nginx(directive: str, ending: str) -> str:
    (value,) = re.findall(rf"\b{directive} (\d+){ending}", NGINX)
    return str(value)


def unit(name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", UNIT, flags=re.MULTILINE)
    return str(value)
