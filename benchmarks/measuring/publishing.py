"""Publishing a track whose bytes are nowhere: its record and what that causes, as far as an answer waits for it."""

from __future__ import annotations

from pet.app import Parts
from pet.domain.events import TrackUploaded
from pet.domain.files import FileType, MediaFile
from pet.domain.ids import FileId, UserId, new_object_id, new_uuid7
from pet.domain.times import utc_now


async def publish(parts: Parts, owner: UserId) -> None:
    """Publish a track of someone."""
    at, file_id = utc_now(), FileId(new_uuid7())
    file = MediaFile(
        object_id=new_object_id(),
        file_id=file_id,
        user_id=owner,
        type=FileType.TRACK,
        original_name="song.mp3",
        file_name=f"{file_id}.mp3",
        mime_type="audio/mpeg",
        size_bytes=1,
        format="mp3",
        created_at=at,
        updated_at=at,
        duration_seconds=1.0,
    )
    event = TrackUploaded(user_id=owner, occurred_at=at, file_id=file_id)
    await parts.delivery.deliver(await parts.engines.documents.files.add(file, event))
