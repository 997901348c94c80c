"""Keeps what is stored in order: expires what lapses, and deletes what is kept no longer."""

import logging

import anyio

from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.outages import Outage
from loopin_mcp.api.store.store import Store

EXPIRY_S = 1.0
CLEANING_S = 3600.0
_DAY_MS = 86_400_000

logger = logging.getLogger("loopin_mcp")


async def keep_house(store: Store, clock: Clock, retention_days: int | None) -> None:
    """Store expiries every second and clean up every hour, until cancelled; see `clean_up`."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_expire, store, clock)
        tasks.start_soon(_clean_up, store, clock, retention_days)


async def clean_up(store: Store, now: int, retention_days: int | None) -> None:
    """Forget old idempotency keys, and delete what was settled `retention_days` ago, if given.

    Raises:
        UnavailableError: The database cannot be used right now; what was deleted until then
            stays deleted.
    """
    await store.retention.forget_keys(now)
    if retention_days is None:
        return
    deleted = 0
    try:
        while portion := await store.retention.delete_settled(now - retention_days * _DAY_MS, now):
            deleted += portion
    finally:
        if deleted:
            logger.info(
                "Deleted %d interrupts settled %d or more days ago", deleted, retention_days
            )


async def _expire(store: Store, clock: Clock) -> None:
    outage = Outage(logger, "Expiries")
    while True:
        with outage.watched():
            await store.expire_interrupts(clock())
        await anyio.sleep(EXPIRY_S)


async def _clean_up(store: Store, clock: Clock, retention_days: int | None) -> None:
    outage = Outage(logger, "Deletions by age")
    while True:
        with outage.watched():
            await clean_up(store, clock(), retention_days)
        await anyio.sleep(CLEANING_S)
