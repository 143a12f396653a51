"""What one request knows: who asks, from where, and what may be asked. Both fronts build the same one."""

from __future__ import annotations

import asyncio

from pet.domain.errors import Unauthenticated
from pet.domain.ids import UserId, parse_uuid
from pet.domain.permissions import require_acting_for
from pet.domain.viewers import Client, Viewer
from pet.loaders import Loaders
from pet.services import Services

MAX_AUTHORIZATION = 4096
"""Characters of an Authorization header; our tokens have about 500."""

_LOG_IN = "Authentication is required. Send the header Authorization: Bearer <accessToken>."
_BAD_TOKEN = "The access token is invalid or has expired. Please log in again or refresh it."  # noqa: S105


class Context:
    """One request's context. A bad token is kept as an error until somebody asks who the viewer is."""

    def __init__(self, services: Services, client: Client, identity: Viewer | Unauthenticated | None) -> None:
        self.services = services
        self.client = client
        self.connection_params: dict[str, object] | None = None
        self._identity = identity
        self._authorizations: list[str] = []
        self._loaders: Loaders | None = None
        self.deadline: float | None = None
        """When nothing more may begin, by the event loop's clock; None where there is no such limit."""

    @classmethod
    async def open(cls, services: Services, client: Client, authorizations: list[str]) -> Context:
        """Make the context of a request with these Authorization headers.

        Refreshing and logging in must work beside an expired token, so a bad one is not refused here.
        """
        context = cls(services, client, None)
        if authorizations:
            await context.identify(authorizations)
        return context

    async def identify(self, authorizations: list[str]) -> None:
        """Take the identity from a token that arrives later than the headers: in `connection_init`."""
        self._authorizations = authorizations
        self._identity = await _identify(self.services, authorizations)

    async def renewed(self) -> Context:
        """Return the context of the next operation on the same connection.

        Its token is looked at again, since a session may have ended meanwhile, and nothing is remembered.
        """
        return await Context.open(self.services, self.client, self._authorizations)

    @property
    def viewer(self) -> Viewer | None:
        """Who asks; None for a request without a token.

        Raises:
            Unauthenticated: a token was sent, and it is not good.
        """
        if isinstance(self._identity, Unauthenticated):
            raise self._identity
        return self._identity

    @property
    def known_viewer(self) -> Viewer | None:
        """Who asks, if a good token says so; for what another proof allows."""
        return self._identity if isinstance(self._identity, Viewer) else None

    @property
    def required_viewer(self) -> Viewer:
        """Who asks.

        Raises:
            Unauthenticated: there is no good token.
        """
        if self.viewer is None:
            raise Unauthenticated(_LOG_IN)
        return self.viewer

    @property
    def loaders(self) -> Loaders:
        """This request's loaders, which see with the viewer's eyes."""
        if self._loaders is None:
            self._loaders = Loaders(self.services, self.viewer)
        return self._loaders

    def forget_loaded(self) -> None:
        """Drop what the loaders remember: after a write it is old, and a streamed list must not stay in memory."""
        self._loaders = None

    @property
    def is_overdue(self) -> bool:
        """Whether the time for what belongs together is over: the next change must not begin."""
        return self.deadline is not None and asyncio.get_running_loop().time() >= self.deadline

    def require_writer(self) -> None:
        """Refuse early who cannot write at all.

        Raises:
            Unauthenticated: there is no good token, and names alone are not trusted.
        """
        if not self.services.trusts_claimed_ids:
            _ = self.required_viewer
        _ = self.viewer

    async def acting_for(self, claimed_id: str | None) -> Context:
        """Return the context of the user whom a legacy request names: the token's own, or anyone for an admin.

        A request that names nobody acts for the token's user. Without a token, and where names are trusted, it acts for
        the user that it names.

        Raises:
            Unauthenticated: there is no good token.
            Forbidden: the request names someone else.
        """
        viewer = self.viewer
        if viewer is None and not (self.services.trusts_claimed_ids and claimed_id):
            raise Unauthenticated(_LOG_IN)
        if viewer and (claimed_id is None or parse_uuid(claimed_id) == viewer.user_id):
            return self
        user_id = UserId(parse_uuid(claimed_id or "") or "")
        if viewer:
            require_acting_for(viewer, user_id, "The token belongs to another user than the request names.")
        account = await self.services.accounts.get(user_id)
        return Context(self.services, self.client, Viewer(account.user_id, account.role))


async def _identify(services: Services, authorizations: list[str]) -> Viewer | Unauthenticated | None:
    if not authorizations:
        return None
    scheme, _, token = authorizations[0].partition(" ")
    if len(authorizations) > 1 or len(authorizations[0]) > MAX_AUTHORIZATION or scheme.lower() != "bearer":
        return Unauthenticated(_BAD_TOKEN)
    try:
        claims = await services.accounts.sessions.authenticate(token.strip())
        return await services.accounts.viewer(claims)
    except Unauthenticated:
        return Unauthenticated(_BAD_TOKEN)
