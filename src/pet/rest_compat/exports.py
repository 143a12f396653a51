"""The archive of one's own data as bytes: `/exports/{exportId}`, by the signed link that GraphQL shows its owner."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pet.domain.errors import NotFound
from pet.domain.ids import ExportId, parse_uuid
from pet.openapi.operations import Bytes, Described, Placed, Token
from pet.rest_compat import shapes
from pet.rest_compat.couriers import Courier, Parcel
from pet.rest_compat.plans import Representation
from pet.services import Services

ABOUT = Described(
    "Get an archive of one's data",
    "By the link that GraphQL shows its owner (`me.dataExport.url`); nothing else opens it.",
    token=Token.IGNORED,
    query=shapes.SignedQuery,
    answer=Bytes(("application/zip",)),
    refused=(NotFound,),
)
EXPORT_OPERATIONS = (
    Placed("GET", "/exports/{exportId}", "getExport", "Users", ABOUT),
    Placed("HEAD", "/exports/{exportId}", "headExport", "Users", ABOUT),
)


def export_routes() -> list[Route]:
    """Return the route; it is none of the legacy document's."""
    return [Route("/exports/{exportId}", download, methods=["GET"])]


async def download(request: Request) -> Response:
    """Answer with the archive or a part of it. The link is the proof, and the only one: no token opens an archive."""
    services: Services = request.state.services
    export_id = ExportId(parse_uuid(request.path_params["exportId"]) or "")
    user_id = services.links.export_signed_for(export_id, dict(request.query_params))
    if user_id is None:
        raise NotFound("Export not found")
    export = await services.exports.opened(export_id, user_id)
    ready_at = export.ready_at or export.requested_at
    representation = Representation(
        size_bytes=export.size_bytes,
        content_type="application/zip",
        etag=f'"{export.export_id}-{export.attempt}"',
        last_modified=ready_at,
        file_name=f"pet-data-{ready_at:%Y-%m-%d}.zip",
        cache_control="private, no-store",
        attachment=True,
    )
    courier: Courier = request.state.courier
    return courier.response(
        request, Parcel(export.blob_keys[-1], representation, partial(services.exports.read, export))
    )
