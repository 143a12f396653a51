"""Who asks: the viewer behind a token, and the client behind a connection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pet.domain.ids import SessionId, UserId


class Role(StrEnum):
    """What a user is. `admin` is given by the command line alone."""

    MUSICIAN = "musician"
    LISTENER = "listener"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Viewer:
    """The user for whom a request acts. `session_id` is None when no token stands behind the name."""

    user_id: UserId
    role: Role
    session_id: SessionId | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the viewer may act on what belongs to others."""
        return self.role is Role.ADMIN


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from: the network address, and the User-Agent cut to 200 characters."""

    address: str
    user_agent: str = ""
