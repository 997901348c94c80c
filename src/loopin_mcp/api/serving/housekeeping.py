"""Housekeeping: stores expiries, and deletes old interrupts and idempotency keys."""

import logging

import anyio

from loopin_mcp.api.clock import DAY_MS
from loopin_mcp.api.database.outages import Outage
from loopin_mcp.api.store.store import Store

EXPIRY_S = 1.0
CLEANING_S = 3600.0

logger = logging.getLogger("loopin_mcp")


async def keep_house(store: Store, retention_days: int | None) -> None:
    """Store expiries every second and clean up every hour, until cancelled; see `clean_up`."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_expire, store)
        tasks.start_soon(_clean_up, store, retention_days)


async def clean_up(store: Store, retention_days: int | None) -> None:
    """Delete old idempotency keys, and interrupts settled at least `retention_days` ago.

    Raises:
        UnavailableError: The database cannot be used right now; earlier deletions stay.
    """
    await store.retention.forget_keys()
    if retention_days is None:
        return
    deleted = 0
    try:
        while portion := await store.retention.delete_settled(retention_days * DAY_MS):
            deleted += portion
    finally:
        if deleted:
            logger.info(
                "Deleted %d interrupts settled %d or more days ago", deleted, retention_days
            )


async def _expire(store: Store) -> None:
    outage = Outage(logger, "Expiries")
    while True:
        with outage.watched():
            await store.expire_interrupts()
        await anyio.sleep(EXPIRY_S)


async def _clean_up(store: Store, retention_days: int | None) -> None:
    outage = Outage(logger, "Deletions by age")
    while True:
        with outage.watched():
            await clean_up(store, retention_days)
        await anyio.sleep(CLEANING_S)
