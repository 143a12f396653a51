"""TLS before a PostgreSQL that has none: the server's side of its handshake, with a certificate of one's own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SSL_REQUEST_BYTES = 8
"""What a client sends first to ask for TLS; the server agrees with one letter."""


@dataclass
class Front:
    """A listening front; `handshakes` counts the clients that trusted its certificate."""

    port: int = 0
    handshakes: int = 0


@asynccontextmanager
async def tls_front(host: str, port: int, folder: Path) -> AsyncIterator[Front]:
    """Listen before a server until the context is left; `folder` gets the certificate `server.crt`."""
    write_certificate(folder / "server.crt", folder / "server.key", host=host)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    front = Front()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readexactly(SSL_REQUEST_BYTES)
            writer.write(b"S")
            await writer.start_tls(context)
            front.handshakes += 1
            answers, upstream = await asyncio.open_connection(host, port)
            await asyncio.gather(_pass_on(reader, upstream), _pass_on(answers, writer))
        writer.close()

    server = await asyncio.start_server(serve, host, 0)
    front.port = server.sockets[0].getsockname()[1]
    async with server:
        yield front


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(65_536):
            target.write(chunk)
            await target.drain()
    target.close()


def write_certificate(certificate: Path, key: Path, *, host: str) -> None:
    """Write a certificate for an address, signed by itself, with its key."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private_key, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
