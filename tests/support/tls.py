"""Servers with TLS, and a proxy, for tests of connections."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import anyio
import trustme
from anyio.abc import ByteStream, Listener, SocketAttribute
from anyio.streams.tls import TLSListener

AUTHORITY = trustme.CA()
GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


@dataclass
class Proxy:
    """A proxy on a port, and the first words of the requests that it got."""

    port: int = 0
    asked: list[str] = field(default_factory=list)


def tls(name: str, not_after: datetime | None = None) -> ssl.SSLContext:
    """The certificate of a server with this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    before = not_after and not_after.replace(year=not_after.year - 1)
    AUTHORITY.issue_cert(name, not_before=before, not_after=not_after).configure_cert(context)
    return context


@asynccontextmanager
async def answering(body: object, certificate: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that answers every connection with this JSON; yields its port."""
    content = json.dumps(body).encode()
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"

    async def answer(stream: ByteStream) -> None:
        await stream.receive()
        length = f"Content-Length: {len(content)}\r\n\r\n"
        await stream.send((head + length).encode() + content)

    async with _serving(answer, certificate) as port:
        yield port


@asynccontextmanager
async def proxying(
    target: int, refusal: str | None = None, certificate: ssl.SSLContext | None = None
) -> AsyncIterator[Proxy]:
    """A proxy that connects everything to a port of this machine, or refuses all."""
    proxy = Proxy()

    async def pass_on(stream: ByteStream) -> None:
        head = await stream.receive()
        proxy.asked.append(" ".join(head.decode().split(" ")[:2]))
        if refusal:
            await stream.send(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await _connect(stream, target)

    async with _serving(pass_on, certificate) as proxy.port:
        yield proxy


@asynccontextmanager
async def in_front_of(target: int, certificate: ssl.SSLContext) -> AsyncIterator[int]:
    """A reverse proxy with TLS in front of a port of this machine; yields its port."""
    async with _serving(partial(_connect, target=target), certificate) as port:
        yield port


async def _connect(stream: ByteStream, target: int) -> None:
    """Pass on bytes between a stream and a port of this machine until one of them ends."""
    there = await anyio.connect_tcp("127.0.0.1", target)
    async with there, anyio.create_task_group() as copying:
        copying.start_soon(_copy, stream, there)
        await _copy(there, stream)
        copying.cancel_scope.cancel()


@asynccontextmanager
async def _serving(
    handle: Callable[[ByteStream], Awaitable[None]], certificate: ssl.SSLContext | None
) -> AsyncIterator[int]:
    async def handle_and_close(stream: ByteStream) -> None:
        try:
            await handle(stream)
        except GONE:
            return
        finally:
            await anyio.aclose_forcefully(stream)

    tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port: int = tcp.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
    listener: Listener[ByteStream] = tcp
    if certificate:
        listener = TLSListener(tcp, certificate, standard_compatible=False)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle_and_close)
        yield port
        tasks.cancel_scope.cancel()


async def _copy(source: ByteStream, sink: ByteStream) -> None:
    try:
        while True:
            await sink.send(await source.receive())
    except GONE:
        return
