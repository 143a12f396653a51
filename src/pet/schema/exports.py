"""The archive of one's own data."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry

from pet.domain.exports import DataExport as DataExportEntity
from pet.domain.exports import ExportState
from pet.domain.ids import UserId
from pet.schema.call import Info
from pet.schema.errors import Payload


@strawberry.enum(description="Where an archive stands.")
class DataExportState(Enum):
    """Where an archive stands."""

    PREPARING = strawberry.enum_value(ExportState.PREPARING.value, description="It is being made, or waits for that.")
    READY = strawberry.enum_value(ExportState.READY.value, description="It can be fetched from `url`.")
    FAILED = strawberry.enum_value(
        ExportState.FAILED.value, description="It could not be made; `exportMyData` tries again."
    )


@strawberry.type(
    description="An archive (ZIP) of everything that this server keeps of the viewer: JSON documents, the originals of"
    " all uploads, and a manifest with their SHA-256."
)
class DataExport:
    """An archive of the viewer's data."""

    entity: strawberry.Private[DataExportEntity]

    @strawberry.field(description="Where it stands.")
    def state(self) -> DataExportState:
        return DataExportState(self.entity.state.value)

    @strawberry.field(description="How much of the originals is in it already, from 0 to 1.")
    def progress(self) -> float:
        return self.entity.progress

    @strawberry.field(description="When it was asked for; a day later a new one can be made.")
    def requested_at(self) -> datetime:
        return self.entity.requested_at

    @strawberry.field(description="When it was ready; null before.")
    def ready_at(self) -> datetime | None:
        return self.entity.ready_at

    @strawberry.field(description="When it is removed; null before it is ready.")
    def expires_at(self) -> datetime | None:
        return self.entity.due_at if self._is_ready else None

    @strawberry.field(description="Bytes of the archive, a whole number; null before it is ready.")
    def size(self) -> float | None:
        return float(self.entity.size_bytes) if self._is_ready else None

    @strawberry.field(
        description="Where to fetch it, in ranges too, without a token: anyone who has the URL can, for 6 to 7 hours."
        " Ask again for a fresh one. Null before it is ready."
    )
    def url(self, info: Info) -> str | None:
        return info.context.services.links.export(self.entity) if self._is_ready else None

    @property
    def _is_ready(self) -> bool:
        return self.entity.state is ExportState.READY


@strawberry.type(description="The archive that is being made or is ready, or the mistakes.")
class ExportMyDataPayload(Payload):
    """The result of `exportMyData`."""

    data_export: DataExport | None = strawberry.field(default=None, description="The archive, and how it stands.")


async def export_my_data(info: Info) -> ExportMyDataPayload:
    """Have an archive of the viewer's data made."""
    export = await info.context.services.exports.start(info.context.required_viewer)
    return ExportMyDataPayload(data_export=DataExport(entity=export))


async def data_export_of(info: Info, user_id: UserId) -> DataExport | None:
    """Return how a user's archive stands."""
    export = await info.context.services.exports.find(user_id)
    return DataExport(entity=export) if export else None
