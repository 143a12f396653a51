"""Why MongoDB cannot be used, in an operator's words: none of the driver's, which could hold a part of the URL."""

from __future__ import annotations

import errno
import socket
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError
from pymongo.server_description import ServerDescription
from pymongo.server_type import SERVER_TYPE

NEEDS_A_REPLICA_SET = (
    "the server is not a member of a replica set, which transactions need. Start mongod with --replSet rs0, run"
    " rs.initiate() once in mongosh, and give the URL replicaSet=rs0"
)
NOT_INITIATED = (
    "the replica set was never initiated. Run rs.initiate() once in mongosh, on the server that PET_DOCUMENTS_URL names"
)
_REFUSALS = {
    13: "the user may not use this database, or none is given. Name one in the URL that has the role readWrite on it",
    18: "the server refuses the user or the password. Check both, and authSource where the user belongs to another"
    " database",
}
_PROBE_PART = 4
"""The second look, at one server alone, gets this part of the engine timeout."""


def reason_of(error: Exception) -> str:
    """Return what is wrong with the URL, or with what it gives access to."""
    match error:
        case OperationFailure(code=int(code)) if code in _REFUSALS:
            return _REFUSALS[code]
        case OperationFailure():
            return f"the server refuses: {(error.details or {}).get('codeName', error.code)}"
        case ConfigurationError() if "DNS" in str(error) or "resolution" in str(error):
            return "its name is not known to DNS as that of a cluster (mongodb+srv). Check the name"
        case ConfigurationError() | ValueError():
            return (
                "the URL is not one that MongoDB's driver takes. Write"
                " mongodb://user:password@host:port/database?replicaSet=name, with @ : / ? # of the password"
                " percent-encoded"
            )
    return "it took too long to answer, or broke off. Check that MongoDB runs and that nothing between slows it down"


async def unreachable(client: AsyncMongoClient[Any], url: str, timeout_seconds: float) -> str:
    """Return why no primary was found: a look at one server alone tells more than the driver's view of the set."""
    places = urlsplit(url).netloc.rpartition("@")[2]
    met = None if url.startswith("mongodb+srv:") else await _look_at_one(url, timeout_seconds / _PROBE_PART)
    match met:
        case None | ServerDescription(server_type=SERVER_TYPE.Unknown):
            return f"{_failure(client)} at {places}. Check host and port, and that MongoDB runs there"
        case ServerDescription(server_type=SERVER_TYPE.Standalone):
            return NEEDS_A_REPLICA_SET
        case ServerDescription(server_type=SERVER_TYPE.RSGhost):
            return NOT_INITIATED
    if met.replica_set_name != (wanted := client.options.replica_set_name) and wanted:
        return f"the server belongs to the replica set {met.replica_set_name}. Write replicaSet={met.replica_set_name}"
    members = ", ".join(f"{host}:{port}" for host, port in sorted(met.all_hosts))
    return (
        f"the replica set has no primary that can be reached from here. It calls its members {members}: check that they"
        " run, and that these names lead to them from this machine (rs.conf() in mongosh)"
    )


async def _look_at_one(url: str, timeout_seconds: float) -> ServerDescription | None:
    """Return what the URL's first server says of itself; it says so without a password."""
    parts = urlsplit(url)
    userinfo, at, places = parts.netloc.rpartition("@")
    first = urlunsplit(parts._replace(netloc=f"{userinfo}{at}{places.split(',')[0]}"))
    wait = round(timeout_seconds * 1000)
    client: AsyncMongoClient[Any] = AsyncMongoClient(
        first,
        directConnection=True,
        replicaSet=None,
        serverSelectionTimeoutMS=wait,
        connectTimeoutMS=wait,
        timeoutMS=wait,
    )
    try:
        await client.admin.command("hello")
    except PyMongoError:
        pass
    finally:
        found = list(client.topology_description.server_descriptions().values())
        await client.close()
    return found[0] if found else None


def _failure(client: AsyncMongoClient[Any]) -> str:
    """Return how the last attempt to reach a server failed; the driver keeps no more of it than the text."""
    errors = " ".join(str(server.error) for server in client.topology_description.server_descriptions().values())
    if f"[Errno {errno.ECONNREFUSED}]" in errors:
        return "nothing listens"
    if any(f"[Errno {unknown}]" in errors for unknown in (socket.EAI_NONAME, socket.EAI_AGAIN)):
        return "no such host is known"
    return "no server answers"
