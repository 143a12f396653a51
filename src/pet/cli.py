"""The command line: `pet serve`, and what operators need besides.

Commands import what they need when they run, so that `pet config` does not wait for a server.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import click

from pet.domain.errors import DomainError, Service, Unavailable
from pet.domain.ids import EventId
from pet.settings import Settings, SettingsError
from pet.storage.opening import CannotOpen

if TYPE_CHECKING:
    from pet.app import Parts

P = ParamSpec("P")


def _in_sentences(command: Callable[P, None]) -> Callable[P, None]:
    """Show what an operator can mend as a sentence with exit status 1, never as a stack trace."""

    @wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except Unavailable as error:
            # The message is meant for clients; an operator needs the setting and the engine's own words.
            engine = "media store (PET_MEDIA_URL)" if error.service is Service.MEDIA else "database (PET_DATABASE_URL)"
            raise click.ClickException(f"The {engine} cannot be used: {error.__cause__ or error}") from error
        except (SettingsError, CannotOpen, DomainError) as error:
            raise click.ClickException(str(error)) from error

    return wrapper


@click.group(help="PET, the backend of a music network.")
@click.version_option(package_name="pet-music", prog_name="pet")
def main() -> None:
    """Run a command."""


@main.command(help="Serve the API. With the embedded SQLite file, migrate it first.")
@_in_sentences
def serve() -> None:
    """Start the server and run until SIGINT or SIGTERM; requests in flight finish."""
    from pet.app import create_app, crowd_of  # noqa: PLC0415
    from pet.server import listen, run  # noqa: PLC0415

    settings = _started()
    with ExitStack() as stack:
        listeners = [stack.enter_context(each) for each in listen(settings.host, settings.port)]
        asyncio.run(_ensure_tables(settings))
        run(create_app(settings), listeners, crowd=crowd_of(settings), when_ready=lambda: _welcome(settings))


@main.command(help="Bring the database's tables to the newest version.")
@_in_sentences
def migrate() -> None:
    """Apply the migrations that are missing."""
    from pet.engines import database_limits  # noqa: PLC0415
    from pet.storage.sql.database import apply_migrations  # noqa: PLC0415

    settings = _started()
    asyncio.run(apply_migrations(settings.database_url, database_limits(settings)))
    click.echo("The database is up to date.")


@main.command(help="Print the GraphQL schema as SDL.")
@click.option("--check", is_flag=True, help="Compare it with ./schema.graphql instead; exit status 1 when they differ.")
def schema(*, check: bool) -> None:
    """Print or compare the SDL."""
    from pet.schema.root import build_schema  # noqa: PLC0415

    sdl = build_schema().as_str() + "\n"
    if not check:
        click.echo(sdl, nl=False)
    elif not Path("schema.graphql").exists() or Path("schema.graphql").read_text(encoding="utf-8") != sdl:
        raise click.ClickException("schema.graphql differs from the code. Run `make sdl` and commit the change.")


@main.command(help="Print the description of the REST API as an OpenAPI document.")
def openapi() -> None:
    """Print what /openapi.json serves, to be read, or to generate clients from."""
    from pet.app import description  # noqa: PLC0415

    click.echo(json.dumps(description(), indent=2, ensure_ascii=False))


@main.command(help="Show the effective settings, secrets hidden.")
@_in_sentences
def config() -> None:
    """Print every setting with its value, and whether that is the default."""
    for setting in Settings.load().effective():
        origin = "default" if setting.is_default else "set"
        click.echo(f"{setting.name}={setting.value}  ({origin})")
        click.echo(f"    {setting.description}")


@main.command(help="Look at the machine and every engine, and say what to mend; exit status 1 when something fails.")
@_in_sentences
def doctor() -> None:
    """Examine the machine, the settings and every engine."""
    from pet.doctor.command import examine  # noqa: PLC0415

    if not asyncio.run(examine(Settings.load())):
        sys.exit(1)


@main.command(help="Fill the network with a few people, follows and playable tracks, to look around.")
@click.option("--seconds", type=click.FloatRange(min=0.5), help="Cut the tracks off; else they play to the end.")
@_in_sentences
def demo(seconds: float | None) -> None:
    """Make what is missing of the demo; the service may be running."""
    from pet.demo.command import fill_network  # noqa: PLC0415

    settings = _started()

    async def run() -> None:
        await _ensure_tables(settings)
        await fill_network(settings, seconds=seconds)

    asyncio.run(run())


@main.group(help="Look at events that wait or are parked.")
def events() -> None:
    """Run a command about events."""


@events.command(name="list", help="List the events that failed, the parked ones among them, and count what waits.")
@_in_sentences
def list_events() -> None:
    """List what is undelivered and why."""
    from pet.bookkeeping.events import list_troubled  # noqa: PLC0415

    _with_parts(lambda parts: list_troubled(parts.engines.outboxes))


@events.command(name="show", help="Show one event whole, delivered or not.")
@click.argument("event_id")
@_in_sentences
def show_event(event_id: str) -> None:
    """Show one event."""
    from pet.bookkeeping.events import show  # noqa: PLC0415

    _with_parts(lambda parts: show(parts.engines.outboxes, EventId(event_id)))


@events.command(name="retry", help="Let an event, or with --all every parked one, be tried again.")
@click.argument("event_id", required=False)
@click.option("--all", "is_all", is_flag=True, help="Every parked event.")
@_in_sentences
def retry_events(event_id: str | None, *, is_all: bool) -> None:
    """Unpark events, and deliver them."""
    from pet.bookkeeping.events import retry  # noqa: PLC0415

    if (event_id is None) != is_all:
        raise click.UsageError("Give the id of an event, or --all.")

    async def work(parts: Parts) -> None:
        retried = await retry(parts.engines.outboxes, EventId(event_id) if event_id else None)
        delivered = await parts.delivery.relay()
        click.echo(f"{retried} events are tried again; {delivered} were delivered.")

    _with_parts(work)


@main.command(help="Compare every counter with what it counts, while the service runs; exit status 1 when one drifted.")
@click.option("--repair", is_flag=True, help="Set what drifted to what it should be.")
@_in_sentences
def audit(*, repair: bool) -> None:
    """Audit every profile."""
    from pet.bookkeeping import audit as bookkeeping  # noqa: PLC0415

    is_clean = True

    async def work(parts: Parts) -> None:
        nonlocal is_clean
        services = parts.services
        result = await bookkeeping.audit(services.audit, services.profiles, is_repairing=repair)
        is_clean = result.is_clean

    _with_parts(work)
    if not is_clean:
        sys.exit(1)


@main.group(help="Look after audio and image bytes.")
def media() -> None:
    """Run a command about media."""


@media.command(
    name="check",
    help="Find records without their bytes and bytes without a record, while the service runs; exit status 1 when"
    " something is left.",
)
@click.option("--repair", is_flag=True, help="Remove both: such a file can be neither played nor found.")
@click.option("--even-much", is_flag=True, help="Also where so much is missing that it looks like a wrong setting.")
@_in_sentences
def check_media(*, repair: bool, even_much: bool) -> None:
    """Compare records with bytes."""
    from pet.bookkeeping import media as bookkeeping  # noqa: PLC0415

    is_clean = True

    async def work(parts: Parts) -> None:
        nonlocal is_clean
        await parts.delivery.relay()  # a deletion that waits for its delivery would look like bytes without a record
        result = await bookkeeping.check(parts.services.media_check, is_repairing=repair, even_much=even_much)
        is_clean = result.is_clean

    _with_parts(work)
    if not is_clean:
        sys.exit(1)


@main.group(help="Make and promote admins.")
def admin() -> None:
    """Run a command about admins."""


@admin.command(help="Make an account that is an admin.")
@click.argument("username")
@click.argument("email")
@click.password_option(help="Asked for when it is not given.")
@_in_sentences
def create(username: str, email: str, password: str) -> None:
    """Make an account that is an admin."""
    from pet.domain.viewers import Role  # noqa: PLC0415

    async def work(parts: Parts) -> None:
        await parts.services.accounts.create(email=email, username=username, password=password, role=Role.ADMIN)

    _with_parts(work)
    click.echo(f"{username} is an admin.")


@admin.command(help="Make an existing user an admin.")
@click.argument("username")
@_in_sentences
def promote(username: str) -> None:
    """Make an existing user an admin."""

    async def work(parts: Parts) -> None:
        await parts.services.accounts.promote(username)

    _with_parts(work)
    click.echo(f"{username} is an admin.")


def _with_parts(work: Callable[[Parts], Awaitable[None]]) -> None:
    """Run work on the engines that the settings name."""
    from pet.app import open_parts  # noqa: PLC0415

    settings = _started()

    async def run() -> None:
        await _ensure_tables(settings)
        async with open_parts(settings) as parts:
            await work(parts)

    asyncio.run(run())


def _started() -> Settings:
    """Return the settings, with the log set up and the data directory made."""
    from pet.logs import configure_logging  # noqa: PLC0415

    settings = Settings.load()
    configure_logging(settings.log_format, settings.log_level)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sentence = f"The folder {settings.data_dir} (PET_DATA_DIR) cannot be made: {error.strerror}."
        raise SettingsError([sentence]) from error
    return settings


async def _ensure_tables(settings: Settings) -> None:
    """Migrate the embedded database; another one is migrated by its operator, when no old process uses it any more."""
    from pet.engines import database_limits  # noqa: PLC0415
    from pet.storage.sql.database import apply_migrations, is_migrated  # noqa: PLC0415

    if settings.database_file:
        await apply_migrations(settings.database_url)
    elif not await is_migrated(settings.database_url, database_limits(settings)):
        raise SettingsError(["The tables of the database are not of this version. Run `pet migrate`, then try again."])


def _welcome(settings: Settings) -> None:
    """Say where everything is, on standard error: standard output is nobody's log."""
    url = settings.public_url
    graphql = "explorer" if settings.graphiql else "GraphQL"
    lines = (
        f"PET is ready, on {settings.host}, port {settings.port}.",
        f"  app       {url}/",
        f"  {graphql:<8}  {url}/graphql",
        f"  health    {url}/health/ready",
    )
    click.echo("\n".join(lines), err=True)


if __name__ == "__main__":
    sys.exit(main())
