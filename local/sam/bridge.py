"""Lets containers reach what listens on this machine's loopback: each port again, on the address of their bridge."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

_READ_AT_ONCE = 64 * 1024
_Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def bridge(address: str, ports: Iterable[int]) -> AsyncIterator[None]:
    """Raises OSError where the address is not this machine's, or a port of it is taken."""
    async with contextlib.AsyncExitStack() as opened:
        for port in sorted(ports):
            await opened.enter_async_context(await asyncio.start_server(_to_loopback(port), address, port))
        yield


def _to_loopback(port: int) -> _Accept:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    return accept


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(_READ_AT_ONCE):
            writer.write(part)
            await writer.drain()
    writer.close()
