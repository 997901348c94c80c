"""How soon short requests are answered beside slow clients that take every connection they can.

python bench/flood.py [slow clients]
"""

import asyncio
import contextlib
import resource
import sys
import time
from collections import Counter
from itertools import cycle

from processes import API, Served, serving, share

from wire import Connection

# Few enough that there are more slow clients than connections.
FILES = 4096
LIMITED_API = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES},) * 2); {API}"
REQUESTS = 100
BODY = {"agentId": "bench", "userId": "bench", "action": "Pay", "context": {"amount": 1}}
DRIP_S = 1.0
BACK_AFTER_S = 5.0
SETTLE_S = 5.0
HEAD = b"POST /interrupts HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BEGINNINGS = (
    b"",
    HEAD + b"X-Slow: ",
    HEAD + b"Content-Type: application/json\r\nContent-Length: 200000\r\n\r\n{",
)


async def be_slow(api: Served, beginning: bytes, seen: Counter[str]) -> None:
    """Hold a connection by slow bytes, and open another when it is closed."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
            seen["taken"] += 1
            writer.write(beginning)
            with contextlib.closing(writer):
                await drip(reader, writer, beginning[:1])
            seen["cut"] += 1
        await asyncio.sleep(BACK_AFTER_S)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, drop: bytes) -> None:
    """Send slow bytes until the API closes the connection."""
    while True:
        try:
            if not await asyncio.wait_for(reader.read(65_536), DRIP_S):
                return
        except TimeoutError:
            writer.write(drop)


async def short_requests(api: Served, what: str) -> None:
    """Create interrupts, each on its own connection, and print how long that took."""
    took: list[float] = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            connection = await Connection.open(api)
            status, _ = await connection.ask("POST", "/interrupts", BODY)
            connection.close()
            if status == 201:
                took.append(time.perf_counter() - began)
    answered = f"{len(took)} of {REQUESTS} creates answered"
    half, most = (f"{share(took, part) * 1000:.0f} ms" for part in (0.5, 0.99))
    print(f"{what}: {answered}, half within {half}, 99 % within {most}")


async def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 6000
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    seen: Counter[str] = Counter()
    with serving(LIMITED_API) as api:
        await short_requests(api, "Alone")
        async with asyncio.TaskGroup() as slow:
            clients = [
                slow.create_task(be_slow(api, beginning, seen))
                for beginning, _ in zip(cycle(BEGINNINGS), range(count), strict=False)
            ]
            await asyncio.sleep(SETTLE_S)
            await short_requests(api, f"Beside {count} slow clients")
            print(f"  they took {seen['taken']} connections, of which {seen['cut']} were cut")
            print(f"  the API holds {api.files} files of {FILES}, and {api.memory_kb >> 10} MiB")
            for client in clients:
                client.cancel()


asyncio.run(main())
