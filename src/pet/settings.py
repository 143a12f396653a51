"""Every setting of the service: its name, default, unit and effect. The only module that reads the environment.

`docs/settings.md` shows the same texts to operators; a test keeps the two equal.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.request import url2pathname

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from pet import setting_urls
from pet.hashing_costs import HashingCosts, parse_hashing_costs
from pet.logs import LogFormat, LogLevel
from pet.operation_limits import MAX_ROOTS, OperationLimits, parse_operation_limits
from pet.setting_texts import masked, shown
from pet.setting_urls import LOCAL, origin, own_url, web_url

PREFIX = "PET_"
TEST_PREFIX = "PET_TEST_"
SECRET_KEY_MIN_BYTES = 32
_LOCAL_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?"
_REDIS_NEEDS_KEY = "PET_REDIS_URL needs PET_SECRET_KEY: one key, of at least 32 bytes, that all processes share."

MediaDelivery = Literal["proxy", "redirect", "accel"]
ExecutorName = Literal["compiled", "graphql-core"]


class SettingsError(ValueError):
    """The environment cannot be used; `sentences` has one sentence for each thing that is wrong."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = tuple(sentences)


class Must(NamedTuple):
    """What a value must be, in words that complete "PET_X is ..., but must be", and whether it may be shown."""

    be: str
    stay_hidden: bool = False


class EffectiveSetting(NamedTuple):
    """A setting as it is in force: fit for a screen, no secret in it."""

    name: str
    value: str
    is_default: bool
    description: str


def _words(text: Any) -> Any:
    """Split a comma-separated text; `none` is the empty list. What code passes as a sequence stays."""
    if not isinstance(text, str):
        return text
    words = [word.strip() for word in text.split(",")]
    return [] if words == ["none"] else words


def _absolute(path: Path | None) -> Path | None:
    return path and path.absolute()


def _long_enough(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and len(secret.get_secret_value().encode()) < SECRET_KEY_MIN_BYTES:
        raise ValueError
    return secret


class Settings(BaseSettings):
    """The service's settings, checked and complete. Paths are absolute.

    Made in code (`Settings(port=3001)`) it knows nothing of the environment; `load` reads that.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        enable_decoding=False,  # lists are comma-separated, not JSON
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    host: Annotated[str, Field(pattern=r"^[\w.:%-]+$"), Must("a host name or an address")] = "127.0.0.1"
    """The name or address to listen on; `0.0.0.0` or `::` listens on every network. Default: `127.0.0.1`."""

    port: Annotated[int, Field(ge=1, le=65535), Must("a whole number from 1 to 65535")] = 3000
    """The TCP port to listen on, 1 to 65535. Default: `3000`."""

    data_dir: Annotated[Path, AfterValidator(Path.absolute), Must("the path of a folder")] = Path("pet-data")
    """The folder for all that the service keeps on this machine; it is made when missing. Default: `./pet-data`."""

    public_url: Annotated[
        str,
        AfterValidator(web_url),
        Must("an http:// or https:// URL without user, query and fragment"),
    ] = Field(default_factory=lambda data: own_url(data["host"], data["port"]))
    """The URL by which clients reach the service; every URL in an answer begins with it.
    Default: `http://localhost:3000`, with the port of `PET_PORT`, and with `PET_HOST` where localhost is not among
    it."""

    secret_key: Annotated[
        SecretStr | None,
        AfterValidator(_long_enough),
        Must(f"at least {SECRET_KEY_MIN_BYTES} bytes long", stay_hidden=True),
    ] = None
    """The key that signs tokens and private links, at least 32 bytes; a new one ends all sessions. Processes that share
    a Redis server must share it.
    Default: made on the first start and kept in the data directory."""

    signing_keys: Annotated[Path | None, AfterValidator(_absolute), Must("the path of a PEM file or a folder")] = None
    """The key pairs that sign tokens in place of `PET_SECRET_KEY`: a PEM file, or a folder of `*.pem` files, Ed25519 or
    RSA from 2048 bits. The private key of the last file by name signs, all others only verify (`docs/sessions.md`).
    Default: none, `PET_SECRET_KEY` signs."""

    password_hashing: Annotated[
        HashingCosts,
        BeforeValidator(parse_hashing_costs),
        Must(f"like {HashingCosts()}, with memory and passes no less than OWASP's minimum for argon2id"),
    ] = HashingCosts()
    """What the hash of a password costs: `memory` in MiB, `passes` and `lanes` of argon2id; `threads` hash at once, and
    `waiting` logins wait for them. `pet doctor` measures it.
    Default: `memory=19,passes=2,lanes=1,threads=2,waiting=64`."""

    database_url: Annotated[
        str,
        AfterValidator(setting_urls.database_url),
        Must("sqlite:///absolute/path or postgres://user:password@host:port/database"),
    ] = Field(default_factory=lambda data: f"sqlite://{data['data_dir'] / 'pet.sqlite3'}", repr=False)
    """Where accounts, profiles, media records, follows and activities are kept: `sqlite:///absolute/path`, or
    `postgres://` (also `postgresql://`) `user:password@host:port/database`, with libpq's parameters for TLS and
    sockets.
    Default: the SQLite file `pet.sqlite3` in the data directory."""

    database_pool_size: Annotated[int, Field(ge=1, le=1000), Must("a whole number from 1 to 1000")] = 10
    """How many connections to PostgreSQL one process opens at most. All processes together must stay below the server's
    `max_connections`. Default: `10`."""

    database_statement_timeout: Annotated[
        float | None, Field(ge=0.05, le=3600), Must("a number of seconds from 0.05 to 3600")
    ] = None
    """After how many seconds PostgreSQL breaks off a statement by itself, so that nothing goes on there for which
    nobody waits. Default: nine tenths of `PET_ENGINE_TIMEOUT`."""

    documents_url: Annotated[
        str | None,
        AfterValidator(setting_urls.documents_url),
        Must("mongodb://user:password@host:port/database?replicaSet=name, or mongodb+srv:// with a database"),
    ] = Field(default=None, repr=False)
    """Where profiles, media records, follows and activities are kept instead, with their events: a replica set of
    MongoDB, `mongodb://user:password@host:port/database?replicaSet=name` or `mongodb+srv://`.
    Default: the database of `PET_DATABASE_URL`."""

    media_url: Annotated[
        str,
        AfterValidator(setting_urls.media_url),
        Must("the path of a folder, a file:///absolute/path URL or s3://bucket/prefix"),
    ] = Field(default_factory=lambda data: str(data["data_dir"] / "media"))
    """Where audio and image bytes are kept: a folder's path, a `file://` URL, or `s3://bucket/prefix` with the
    endpoint, region and keys in the usual `AWS_` variables. Default: the folder `media` in the data directory."""

    media_delivery: Annotated[MediaDelivery, Must("proxy, redirect or accel")] = "proxy"
    """Who sends audio and image bytes to clients: `proxy` the service itself, `redirect` the store (S3 alone), by a URL
    that works for an hour, `accel` nginx in front of the service, which `PET_TRUSTED_PROXIES` must name.
    Default: `proxy`."""

    redis_url: Annotated[
        str | None,
        AfterValidator(setting_urls.redis_url),
        Must("redis://user:password@host:port/0, rediss://user:password@host:port/0 or unix:///path/to/socket?db=0"),
    ] = Field(default=None, repr=False)
    """The Redis server that several processes share for rate limits, cached sessions and live events: `redis://`
    (`rediss://` with TLS) `user:password@host:port/0`, or `unix:///path/to/socket?db=0`. It needs `PET_SECRET_KEY`.
    Default: none, each process for itself."""

    amqp_url: Annotated[
        str | None,
        AfterValidator(setting_urls.amqp_url),
        Must("amqp://user:password@host:port/vhost or amqps://user:password@host:port/vhost"),
    ] = Field(default=None, repr=False)
    """The RabbitMQ broker on whose exchange `pet.events` every event is published for other systems: `amqp://`, or
    `amqps://` for TLS, `user:password@host:port/vhost`.
    Default: events are not published."""

    engine_timeout: Annotated[float, Field(ge=0.1, le=60), Must("a number of seconds from 0.1 to 60")] = 2.0
    """How long one call of a server behind the service (database, cache, store, broker) may take, in seconds, before it
    counts as down. Default: `2`."""

    cors_origins: Annotated[
        tuple[Annotated[str, AfterValidator(origin)], ...],
        BeforeValidator(_words),
        Must("none, or a comma-separated list of local and origins like https://app.example"),
    ] = (LOCAL,)
    """The web origins whose pages may call the service, separated by commas; `local` stands for localhost, 127.0.0.1
    and [::1] on any port, `none` for no origin. Default: `local`."""

    graphiql: Annotated[bool, Must("on or off")] = True
    """Whether browsers that open `/graphql` get GraphiQL, the explorer of the API. Default: `on`."""

    rate_limits: Annotated[bool, Must("on or off")] = True
    """Whether rate limits are enforced; `off` is meant for load tests. Default: `on`."""

    graphql_documents: Annotated[Literal["any", "trusted"], Must("any or trusted")] = "any"
    """Which GraphQL documents are run: `any`, or `trusted` ones alone, which are the app's own operations
    (`docs/graphql.md`). Default: `any`."""

    graphql_limits: Annotated[
        OperationLimits,
        BeforeValidator(parse_operation_limits),
        Must(f"like {OperationLimits()}, each from 1, roots at most {MAX_ROOTS}, and cost at most budget"),
    ] = OperationLimits()
    """What one GraphQL operation may have, as `name=number` separated by commas; what is not named keeps its default.
    `cost` is that of one operation, `budget` that of all operations of a caller in a minute.
    Default:
    `tokens=4000,depth=15,fields=1000,aliases=100,roots=20,directives=50,cost=20000,budget=100000,seconds=10`."""

    graphql_executor: Annotated[ExecutorName, Must("compiled or graphql-core")] = "compiled"
    """What runs GraphQL operations: `compiled` turns those that come again into Python functions, with the same answers
    (`docs/graphql-executor.md`), `graphql-core` interprets each. Default: `compiled`."""

    graphql_introspection: Annotated[bool, Must("on or off")] = True
    """Whether clients may read the GraphQL schema; explorers need it. Default: `on`."""

    graphql_suggestions: Annotated[bool, Must("on or off")] = True
    """Whether a GraphQL error names the fields that a client could have meant. Default: `on`."""

    subscriptions_per_user: Annotated[int, Field(ge=1, le=10_000), Must("a whole number from 1 to 10000")] = 20
    """How many GraphQL subscriptions one user may have open in a process, over WebSockets and streams of events
    together. Default: `20`."""

    max_body: Annotated[int, Field(ge=16 * 1024, le=67_108_864), Must("a number of bytes from 16384 to 67108864")] = (
        1_048_576
    )
    """How many bytes the body of a request may have; forms with files have limits of their own. Default: `1048576`."""

    connections_per_address: Annotated[int, Field(ge=8, le=65_536), Must("a whole number from 8 to 65536")] = 256
    """How many connections one client address (IPv6: its /64) may have open in a process, WebSockets included; trusted
    proxies count their clients themselves. Default: `256`."""

    trusted_proxies: Annotated[
        tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(ip_network)], ...],
        BeforeValidator(_words),
        Must("none, or a comma-separated list of addresses and networks like 10.0.0.0/8"),
    ] = ()
    """The addresses and networks (CIDR) of proxies whose `X-Forwarded-For` and `Forwarded` are believed, separated by
    commas. Default: `none`."""

    trust_client_user_id: Annotated[bool, Must("on or off")] = False
    """Whether a request without a token acts as the user that it names. Anyone can then act as anyone: only for closed
    networks with clients of the oldest kind. Default: `off`."""

    log_format: Annotated[LogFormat, Must("console or json")] = Field(
        default_factory=lambda: "console" if sys.stderr.isatty() else "json"
    )
    """The form of the log on standard error: `console` for eyes, `json` for machines (one object a line).
    Default: `console` on a terminal, else `json`."""

    log_level: Annotated[LogLevel, Must("debug, info, warning or error")] = "info"
    """The least important level that is logged: `debug`, `info`, `warning` or `error`. Default: `info`."""

    @classmethod
    def settings_customise_sources(cls, *_: Any, **sources: Any) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the constructor alone: `load` is the one way in for the environment."""
        return (sources["init_settings"],)

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Parse the `PET_*` variables once. An empty value counts as not given; `PET_TEST_*` is left to the tests.

        Raises:
            SettingsError: a name is unknown or a value cannot be used; all of them are told at once.
        """
        given = {
            name: value
            for name, value in environ.items()
            if name.startswith(PREFIX) and not name.startswith(TEST_PREFIX) and value.strip()
        }
        sentences = [_unknown(name) for name in sorted(given) if name not in cls.names()]
        try:
            settings = cls(**_Environment(cls, given)())
        except ValidationError as error:
            raise SettingsError([*sentences, *_complaints(error, given)]) from None
        sentences += settings.contradictions()
        if sentences:
            raise SettingsError(sentences)
        return settings

    def contradictions(self) -> list[str]:
        """Return a sentence for each setting that another one makes useless."""
        sentences = []
        if self.redis_url and self.secret_key is None:
            sentences.append(_REDIS_NEEDS_KEY)
        if self.media_delivery == "redirect" and not self.media_url.startswith("s3://"):
            sentences.append(
                "PET_MEDIA_DELIVERY is 'redirect', but nobody can be redirected to a folder (PET_MEDIA_URL)."
            )
        if self.media_delivery == "accel" and not self.trusted_proxies:
            sentences.append("PET_MEDIA_DELIVERY is 'accel', but PET_TRUSTED_PROXIES names no proxy to send the bytes.")
        return sentences

    @classmethod
    def names(cls) -> dict[str, str]:
        """Return the field of each variable's name, in the order in which people read about them."""
        return {PREFIX + field.upper(): field for field in cls.model_fields}

    @property
    def shared_secret(self) -> bytes:
        """The secret key where several processes share something.

        Raises:
            SettingsError: it is not set.
        """
        if self.secret_key is None:
            raise SettingsError([_REDIS_NEEDS_KEY])
        return self.secret_key.get_secret_value().encode()

    @property
    def database_file(self) -> Path | None:
        """The file of the embedded database; None where the database is a server's."""
        is_embedded = self.database_url.startswith("sqlite:")
        return Path(self.database_url.removeprefix("sqlite://")) if is_embedded else None

    @property
    def media_folder(self) -> Path | None:
        """The folder that holds audio and images; None where they are a server's."""
        scheme, separator, path = self.media_url.partition("://")
        if not separator:
            return Path(self.media_url)
        return Path(url2pathname(path)) if scheme == "file" else None

    @property
    def cors_origin_pattern(self) -> str:
        """A regular expression that the whole of an allowed `Origin` header matches, and nothing else."""
        patterns = [_LOCAL_ORIGIN if origin == LOCAL else re.escape(origin) for origin in self.cors_origins]
        return "|".join(patterns) or r"(?!)"

    def effective(self) -> list[EffectiveSetting]:
        """Return every setting as it is in force, secrets and passwords hidden."""
        return [
            EffectiveSetting(
                name=name,
                value=shown(getattr(self, field)),
                is_default=field not in self.model_fields_set,
                description=description_of(field),
            )
            for name, field in self.names().items()
        ]


class _Environment(EnvSettingsSource):
    """The variables of a mapping, where the library's own source knows only those of the process."""

    def __init__(self, settings_cls: type[BaseSettings], given: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self.env_vars = {name.lower(): value for name, value in given.items()}


def description_of(field: str) -> str:
    """Return what a field's docstring says, on one line."""
    return " ".join((Settings.model_fields[field].description or "").split())


def _unknown(name: str) -> str:
    names = list(Settings.names())
    nearest = difflib.get_close_matches(name.upper(), names, n=1, cutoff=0.7)
    hint = f"did you mean {nearest[0]}?" if nearest else "`pet config` lists the settings."
    return f"{name} is not a setting; {hint}"


def _complaints(error: ValidationError, given: Mapping[str, str]) -> list[str]:
    # A default that is made from a bad value is at fault too, but nobody gave it.
    at_fault = {PREFIX + str(detail["loc"][0]).upper() for detail in error.errors(include_input=False)}
    return [_complaint(name, given[name]) for name in Settings.names() if name in at_fault and name in given]


def _complaint(name: str, value: str) -> str:
    must = next(item for item in Settings.model_fields[Settings.names()[name]].metadata if isinstance(item, Must))
    given = "" if must.stay_hidden else f"is {masked(value)!r}, but "
    return f"{name} {given}must be {must.be}."
