"""Housekeeping: stores expiries, deletes old data, and corrects times after a wrong clock."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from loopin_mcp.api.clock import DAY_MS
from loopin_mcp.api.database.outages import Outage
from loopin_mcp.api.store.store import Store

EXPIRY_S = 1.0
CLOCK_S = 60.0
CLEANING_S = 3600.0

logger = logging.getLogger("loopin_mcp")


async def keep_house(store: Store, retention_days: int | None) -> None:
    """Store expiries every second and clean up every hour, until cancelled; see `clean_up`.

    After the clock was set back, deliveries are due within a minute.
    """
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_repeat, store.expire_interrupts, EXPIRY_S, "Expiries")
        tasks.start_soon(_repeat, store.deliveries.bring_forward, CLOCK_S, "Repairs of deliveries")
        clean = partial(clean_up, store, retention_days)
        tasks.start_soon(_repeat, clean, CLEANING_S, "Deletions by age")


async def clean_up(store: Store, retention_days: int | None) -> None:
    """Delete old idempotency keys and sessions, and interrupts settled `retention_days` ago."""
    await store.retention.forget_keys()
    await store.sessions.delete_ended()
    if retention_days is None:
        return
    deleted = kept = 0
    try:
        found = True
        while found:
            gone, stay = await store.retention.delete_settled(retention_days * DAY_MS, kept)
            deleted, kept, found = deleted + gone, kept + stay, bool(gone or stay)
    finally:
        if deleted:
            logger.info(
                "Deleted %d interrupts settled %d or more days ago", deleted, retention_days
            )


async def _repeat(work: Callable[[], Awaitable[None]], pause_s: float, name: str) -> None:
    outage = Outage(logger, name)
    while True:
        with outage.watched():
            await work()
        await anyio.sleep(pause_s)
