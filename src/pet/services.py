"""Everything that a resolver may call, on one object; `app.py` fills it."""

from __future__ import annotations

from dataclasses import dataclass

from pet.domain.accounts import AccountService
from pet.domain.audit import AuditService
from pet.domain.blocks import BlockService
from pet.domain.exports import ExportService
from pet.domain.feed import FeedService
from pet.domain.files import FileService
from pet.domain.follows import FollowService
from pet.domain.limits import RateLimits
from pet.domain.links import Links
from pet.domain.listeners import Listeners
from pet.domain.live_feed import LiveFeed
from pet.domain.media_check import MediaCheckService
from pet.domain.plays import PlayService
from pet.domain.profiles import ProfileService
from pet.domain.uploads import UploadService
from pet.domain.visibility import Visibility
from pet.domain.waveforms import WaveformService


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a resolver may call."""

    accounts: AccountService
    audit: AuditService
    media_check: MediaCheckService
    profiles: ProfileService
    files: FileService
    uploads: UploadService
    exports: ExportService
    follows: FollowService
    blocks: BlockService
    feed: FeedService
    live_feed: LiveFeed
    listeners: Listeners
    plays: PlayService
    waveforms: WaveformService
    visibility: Visibility
    links: Links
    limits: RateLimits
    trusts_claimed_ids: bool = False
    """Whether a request without a token acts as the user that it names (PET_TRUST_CLIENT_USER_ID)."""
