"""The composition root: the one place that knows every part, chooses the engines and wires them together."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Lifespan

from pet import health, metrics, published_keys
from pet.crowd import Crowd
from pet.domain.accounts import AccountService
from pet.domain.audit import AuditService
from pet.domain.blocks import BlockService
from pet.domain.delivery import Delivery
from pet.domain.errors import DomainError
from pet.domain.exports import ExportService
from pet.domain.feed import FeedService
from pet.domain.files import FileService
from pet.domain.follows import FollowService
from pet.domain.ids import UserId
from pet.domain.limits import RateLimits
from pet.domain.links import Links
from pet.domain.listeners import Listeners
from pet.domain.live_feed import LiveFeed
from pet.domain.login_guard import LoginGuard
from pet.domain.media_check import MediaCheckService
from pet.domain.personal_data import PersonalData
from pet.domain.plays import PlayService
from pet.domain.profiles import ProfileService
from pet.domain.publishing import Publisher
from pet.domain.purging import Purge
from pet.domain.sessions import SessionService
from pet.domain.times import Clock, utc_now
from pet.domain.uploads import UploadService
from pet.domain.visibility import Visibility
from pet.domain.waveforms import WaveformService
from pet.edge import Cors, Edge
from pet.engines import Engines, open_engines
from pet.forwarding import client_address, is_trusted
from pet.inspection.pool import WorkerInspector
from pet.inspection.unhurried import WorkerPeakReader
from pet.metrics import Metrics, Sampler
from pet.pages.docs import docs_routes
from pet.pages.explorer import explored
from pet.pages.welcome import welcome_routes
from pet.rest_compat.couriers import Accel, Courier, Proxy, Redirect
from pet.rest_compat.description import describe
from pet.rest_compat.errors import on_domain_error, on_http_error
from pet.rest_compat.exports import EXPORT_OPERATIONS, export_routes
from pet.rest_compat.routes import legacy_routes
from pet.routing import IndexedRouter
from pet.safe_headers import SafeHeaders
from pet.schema.endpoint import GraphQLEndpoint
from pet.schema.executing import OperationRules
from pet.schema.root import build_schema
from pet.security.keys import load_or_create_secret
from pet.security.links import LinkSigner
from pet.security.passwords import Argon2Hasher
from pet.security.signing_keys import SigningKey, jwks, load_signing_keys
from pet.security.tokens import JwtSigner
from pet.services import Services
from pet.settings import Settings, SettingsError
from pet.storage.archives import open_zip
from pet.storage.presence import present
from pet.upkeep import Upkeep, recover, sweep

ISSUER = "pet"
"""Of tokens. Not the public URL: moving the service to another port or name must not log everyone out."""

EXPOSED_HEADERS = [
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "ETag",
    "Last-Modified",
    "Link",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
]

log = logging.getLogger("pet.app")


@dataclass(frozen=True, slots=True)
class Overrides:
    """What tests put in the place of the real thing: time, limits, and the cost of a password."""

    clock: Clock = utc_now
    limits: RateLimits | None = None
    hasher: Argon2Hasher | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands once the engines are open."""

    services: Services
    engines: Engines
    delivery: Delivery
    metrics: Metrics
    clock: Clock
    signing_keys: Sequence[SigningKey]


@asynccontextmanager
async def open_parts(settings: Settings, overrides: Overrides | None = None) -> AsyncIterator[Parts]:
    """Open the engines that the settings name, build the services on them, and sweep what crashes left.

    Raises:
        SettingsError: the secret or the signing keys cannot be used.
        CannotOpen: an engine cannot be reached, or refuses.
        Unavailable: the embedded database or the media folder cannot be used.
    """
    chosen = overrides or Overrides()
    clock = chosen.clock
    async with AsyncExitStack() as stack:
        engines = await stack.enter_async_context(open_engines(settings, clock))
        hasher = chosen.hasher or Argon2Hasher(settings.password_hashing)
        stack.callback(hasher.close)
        inspector = WorkerInspector()
        stack.push_async_callback(inspector.close)
        peak_reader = WorkerPeakReader()
        stack.push_async_callback(peak_reader.close)
        secret = secret_of(settings)
        limits = chosen.limits or engines.shared.limits
        delivery, files, exports = _delivery(engines, limits, clock)
        signing_keys = signing_keys_of(settings)
        signer = JwtSigner(secret, ISSUER, keys=signing_keys)
        sessions = SessionService(engines.sessions, engines.shared.session_cache, signer, clock)
        guard = LoginGuard(engines.networks, engines.shared.failures, limits, clock)
        profiles = ProfileService(engines.documents.profiles, delivery, clock)
        follows = FollowService(engines.documents.follows, delivery, clock)
        visibility = Visibility(profiles, follows)
        services = Services(
            accounts=AccountService(engines.accounts, sessions, hasher, guard, limits, delivery, clock),
            audit=AuditService(engines.documents.audits),
            media_check=MediaCheckService(engines.documents.files, engines.blobs, delivery, clock),
            profiles=profiles,
            files=files,
            exports=exports,
            uploads=UploadService(engines.documents.files, engines.blobs, inspector, limits, delivery, clock),
            follows=follows,
            blocks=BlockService(engines.documents.follows, delivery, clock),
            feed=FeedService(engines.documents.activities, visibility),
            live_feed=LiveFeed(
                engines.outboxes, engines.documents.activities, follows, engines.shared.broadcast, clock
            ),
            listeners=Listeners(engines.sessions, clock, per_user=settings.subscriptions_per_user),
            plays=PlayService(engines.documents.plays, delivery, clock),
            waveforms=WaveformService(
                engines.documents.waveforms, engines.documents.files, engines.blobs, peak_reader, clock
            ),
            visibility=visibility,
            links=Links(settings.public_url, LinkSigner(secret), clock),
            limits=limits,
            trusts_claimed_ids=settings.trust_client_user_id,
        )
        await stack.enter_async_context(present(engines.blobs.folder, partial(sweep, services.uploads)))
        yield Parts(services, engines, delivery, Metrics(engines.outboxes, clock), clock, signing_keys)


def _delivery(engines: Engines, limits: RateLimits, clock: Clock) -> tuple[Delivery, FileService, ExportService]:
    """Build what delivers events, and the services to which it leads: they deliver in turn, so each needs the other."""

    async def purge(user_id: UserId) -> None:
        await everything_of(user_id)

    async def remove_bytes(blob_key: str) -> None:
        await files.remove_bytes(blob_key)

    delivery = Delivery(
        engines.outboxes,
        engines.documents.projections,
        engines.shared.broadcast,
        clock,
        purge=purge,
        remove_bytes=remove_bytes,
    )
    files = FileService(engines.documents.files, engines.blobs, delivery, clock)
    exports = _exports(engines, limits, clock)
    everything_of = Purge(
        engines.shared.session_cache,
        engines.documents.projections,
        files,
        engines.documents.plays,
        exports,
        engines.accounts,
    )
    return delivery, files, exports


def create_app(settings: Settings, *, overrides: Overrides | None = None) -> Starlette:
    """Return the ASGI application; engines are open for the time of its lifespan. The tables must be there."""
    app = Starlette()
    app.router = IndexedRouter(lifespan=_lifespan(settings, overrides))
    # In the place of Starlette's own layers, which would do once more what the edge does.
    app.middleware_stack = Edge(
        app.router,
        safe=SafeHeaders(is_https=settings.public_url.startswith("https:")),
        cors=partial(
            Cors,
            allow_origin_regex=settings.cors_origin_pattern,
            allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Range",
                "If-Range",
                "If-Match",
                "If-None-Match",
                "If-Modified-Since",
                "If-Unmodified-Since",
                "Apollo-Require-Preflight",
            ],
            expose_headers=EXPOSED_HEADERS,
            max_age=600,
        ),
        refusals={DomainError: on_domain_error, HTTPException: on_http_error},
        trusted_proxies=settings.trusted_proxies,
        max_body=settings.max_body,
    )
    return app


def crowd_of(settings: Settings) -> Crowd:
    """Return what counts the connections of each client as the rate limits count its requests.

    What a trusted proxy opens stands for any number of clients, whom it has to count itself.
    """

    def customer_of(address: str) -> str | None:
        scope = {"type": "http", "client": (address, 0), "headers": []}
        return None if is_trusted(address, settings.trusted_proxies) else client_address(scope, ())

    return Crowd(settings.connections_per_address, customer_of)


def secret_of(settings: Settings) -> bytes:
    """Return the secret from which all keys are derived; without a setting it is kept in the data directory.

    Raises:
        SettingsError: the data directory gives none.
    """
    if settings.secret_key:
        return settings.secret_key.get_secret_value().encode()
    try:
        return load_or_create_secret(settings.data_dir / "secret.key")
    except (OSError, ValueError) as error:
        raise SettingsError([f"PET_DATA_DIR holds no usable secret key: {error}"]) from error


def signing_keys_of(settings: Settings) -> Sequence[SigningKey]:
    """Return the key pairs that sign tokens; none where the secret does.

    Raises:
        SettingsError: the file or the folder that a setting names gives none.
    """
    if settings.signing_keys is None:
        return ()
    try:
        return load_signing_keys(settings.signing_keys)
    except ValueError as error:
        raise SettingsError([f"PET_SIGNING_KEYS gives no usable keys: {error}"]) from error


def _lifespan(settings: Settings, overrides: Overrides | None) -> Lifespan[Starlette]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, object]]:
        if settings.trust_client_user_id:
            log.warning("PET_TRUST_CLIENT_USER_ID is on: anyone can act as anyone without a token")
        async with open_parts(settings, overrides) as parts:
            app.state.parts = parts
            app.router.routes = _routes(settings, parts, await _origin_of_media(settings, parts.engines))
            await recover(parts.delivery)
            async with _upkeep(parts).going_on():
                yield {"services": parts.services, "courier": _courier(settings, parts.engines)}

    return lifespan


def _exports(engines: Engines, limits: RateLimits, clock: Clock) -> ExportService:
    documents = engines.documents
    data = PersonalData(
        engines.accounts,
        engines.sessions,
        documents.profiles,
        documents.files,
        documents.follows,
        documents.activities,
        clock,
    )
    return ExportService(engines.exports, engines.accounts, data, engines.blobs, open_zip, limits, clock)


def _upkeep(parts: Parts) -> Upkeep:
    engines = parts.engines
    return Upkeep(
        parts.delivery,
        engines.documents.projections,
        parts.services.uploads,
        parts.services.exports,
        parts.services.waveforms,
        engines.documents.plays,
        parts.services.listeners,
        Sampler(parts.services.audit, parts.metrics),
        Publisher(engines.outboxes, engines.exchange, parts.clock) if engines.exchange else None,
        parts.clock,
    )


def _courier(settings: Settings, engines: Engines) -> Courier:
    blobs = engines.blobs
    proxy = Proxy(blobs.open_file)
    match settings.media_delivery:
        case "redirect":
            return Redirect(blobs.lend, proxy)
        case "accel":
            return Accel(blobs.lend, partial(is_trusted, trusted=settings.trusted_proxies), proxy)
        case _:
            return proxy


async def _origin_of_media(settings: Settings, engines: Engines) -> str:
    """Return the origin of the store where it sends the bytes itself; a page must allow it by name."""
    lent = await engines.blobs.lend("any", "GET") if settings.media_delivery == "redirect" else None
    return "{0.scheme}://{0.netloc}".format(urlsplit(lent)) if lent else ""


def _routes(settings: Settings, parts: Parts, media_origin: str) -> list[BaseRoute]:
    schema = build_schema(_operation_rules(settings))
    graphql = GraphQLEndpoint(schema, origin_pattern=re.compile(settings.cors_origin_pattern))
    return [
        # A Route, not a Mount: a Mount would answer /graphql with a redirect.
        *(explored(graphql) if settings.graphiql else [Route("/graphql", graphql)]),
        WebSocketRoute("/graphql", graphql),
        *legacy_routes(),
        *export_routes(),
        *welcome_routes(media_origin),
        *docs_routes(description()),
        *published_keys.published_keys_routes(jwks(parts.signing_keys)),
        *health.health_routes(parts.engines.checks),
        *metrics.metrics_routes(parts.metrics),
    ]


def description() -> dict[str, object]:
    """Return the OpenAPI document of every REST route, whoever serves it."""
    return describe([*EXPORT_OPERATIONS, *health.OPERATIONS, *metrics.OPERATIONS, *published_keys.OPERATIONS])


def _operation_rules(settings: Settings) -> OperationRules:
    return OperationRules(
        limits=settings.graphql_limits,
        trusted_only=settings.graphql_documents == "trusted",
        introspection=settings.graphql_introspection,
        suggestions=settings.graphql_suggestions,
        is_charged=settings.rate_limits,
        executor=settings.graphql_executor,
    )
