"""Purging: what is removed after an account, and in which order.

It is carried out by the delivery of `user.deleted`: whatever interrupts it, the relay of some process begins again from
the start, and finds less to do. Every step is of bounded size.
"""

from __future__ import annotations

from pet.domain.accounts import Accounts
from pet.domain.delivery import Projections
from pet.domain.exports import ExportService
from pet.domain.files import FileService
from pet.domain.ids import UserId
from pet.domain.plays import Plays
from pet.domain.session_cache import SessionCache


class Purge:
    """Removes everything that belonged to an account that has ended."""

    def __init__(
        self,
        session_cache: SessionCache,
        projections: Projections,
        files: FileService,
        plays: Plays,
        exports: ExportService,
        accounts: Accounts,
    ) -> None:
        self._session_cache = session_cache
        self._projections = projections
        self._files = files
        self._plays = plays
        self._exports = exports
        self._accounts = accounts

    async def __call__(self, user_id: UserId) -> None:
        """Remove what is left of a user; doing so twice does nothing.

        The profile goes first: without it no file and no follow can be added, so what is removed stays removed. The
        email and the username become free last: what was to be delivered of the old owner cannot meet a newer one.
        """
        await self._session_cache.forget_user(user_id)  # the request that ended the sessions may have died before
        await self._projections.purge(user_id)
        await self._files.purge(user_id)
        await self._plays.purge(user_id)
        await self._exports.purge(user_id)
        await self._accounts.forget(user_id)
