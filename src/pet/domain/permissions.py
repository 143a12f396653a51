"""Who may do what: the one place that decides it, for both fronts. Who may see what is in `visibility.py`.

Whoever acts is the token's user. Admins act on what belongs to others as its owner may.
"""

from __future__ import annotations

from pet.domain.errors import Forbidden
from pet.domain.ids import UserId
from pet.domain.viewers import Viewer


def owns(viewer: Viewer | None, owner_id: UserId) -> bool:
    """Tell whether something belongs to the viewer."""
    return viewer is not None and viewer.user_id == owner_id


def may_act_for(viewer: Viewer | None, owner_id: UserId) -> bool:
    """Tell whether a viewer may do what the owner of something may do: the owner, or an admin."""
    return viewer is not None and (owns(viewer, owner_id) or viewer.is_admin)


def require_acting_for(viewer: Viewer, owner_id: UserId, refusal: str, *, field: str | None = None) -> None:
    """Refuse who may not act for an owner.

    Raises:
        Forbidden: with the sentence and the field given.
    """
    if not may_act_for(viewer, owner_id):
        raise Forbidden(refusal, field=field)


def require_auditor(viewer: Viewer) -> None:
    """Refuse who may not look into the bookkeeping of others.

    Raises:
        Forbidden: the viewer is no admin.
    """
    if not viewer.is_admin:
        raise Forbidden("Only admins may audit counters.")
