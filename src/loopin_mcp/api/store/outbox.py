"""The outbox: callbacks and notifications are added to it and removed with what they are about."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from loopin_mcp.api.audit.trail import LOCK
from loopin_mcp.api.database.steps import Row, Statement, Steps, Value
from loopin_mcp.wire.hosts import host_of

Kind = Literal["callback", "notification", "reminder"]

CALLBACK_MS = 3 * 24 * 3600 * 1000
NOTIFICATION_MS = 10 * 60 * 1000

_INTO = """
    INSERT INTO deliveries (delivery_id, interrupt_id, kind, destination, host, urgent, due_ms,
        given_up_ms)
    """
_OWE = f"""{_INTO}
    VALUES (:delivery_id, :interrupt_id, :kind, :destination, :host, :urgent, :due_ms, :given_up_ms)
    """
# The destination of a delivery to a device, and its host, is this and the device's id.
DEVICE = "device "
IS_DEVICE = f"SUBSTR(host, 1, {len(DEVICE)}) = '{DEVICE}'"
_OWE_DEVICES = f"""{_INTO}
    SELECT CAST(:interrupt_id AS TEXT) || ' ' || device_id, :interrupt_id, 'notification',
        '{DEVICE}' || device_id, '{DEVICE}' || device_id, :urgent, :due_ms, :given_up_ms
    FROM devices WHERE urgent_only <= :urgent
    """  # noqa: S608 - constants
# The pending interrupts that no channel was notified of, or is to be.
UNTOLD = f"""
    SELECT interrupt_id, urgency FROM interrupts WHERE status = 'pending' AND expires_ms > :now
        AND NOT EXISTS (SELECT 1 FROM deliveries
            WHERE deliveries.interrupt_id = interrupts.interrupt_id AND NOT {IS_DEVICE})
        AND NOT EXISTS (SELECT 1 FROM events
            WHERE events.interrupt_id = interrupts.interrupt_id AND type = 'notified')
    """  # noqa: S608 - a constant
_IS_TOLD = f"""
    SELECT 1 AS one FROM deliveries WHERE interrupt_id = :interrupt_id AND NOT {IS_DEVICE}
    """  # noqa: S608 - a constant


@dataclass(frozen=True)
class ChannelDigests:
    """The channels that notifications go to, by their digests, and whether to `devices` too."""

    ordinary: tuple[str, ...] = ()
    high: tuple[str, ...] = ()
    devices: bool = False

    @property
    def all(self) -> frozenset[str]:
        """The channels of any urgency."""
        return frozenset((*self.ordinary, *self.high))

    def of(self, urgency: Value) -> tuple[str, ...]:
        """The channels of an urgency."""
        return self.high if urgency == "high" else self.ordinary


NO_CHANNELS = ChannelDigests()


def owe_notifications(row: Row, channels: ChannelDigests, now: int) -> Steps[None]:
    """Add the notifications of a new interrupt, one for each channel of its urgency and device."""
    for channel in channels.of(row["urgency"]):
        yield owe(row, "notification", channel, channel, now)
    if channels.devices:
        _, params = owe(row, "notification", "", "", now)
        of_all = ("interrupt_id", "urgent", "due_ms", "given_up_ms")
        yield _OWE_DEVICES, {name: params[name] for name in of_all}


def owe_untold(rows: Collection[Row], channels: ChannelDigests, now: int) -> Steps[None]:
    """Add the notifications of interrupts that were created without any channel."""
    # All processes lock them in the same order, so that there are no deadlocks.
    for row in sorted(rows, key=lambda each: str(each["interrupt_id"])):
        about = {"interrupt_id": row["interrupt_id"]}
        yield LOCK, about
        # Another process may have added them meanwhile.
        if not (yield _IS_TOLD, about):
            # Devices got theirs when it was created.
            yield from owe_notifications(row, replace(channels, devices=False), now)


def owe_callback(row: Row, now: int) -> Steps[None]:
    """Add the callback of a settled interrupt, if it has one."""
    url = row["callback_url"]
    if url is not None:
        yield owe(row, "callback", "", host_of(str(url)) or "-", now)


def owe(row: Row, kind: Kind, destination: str, host: str, due_ms: int) -> Statement:
    """Add a delivery about an interrupt."""
    return _OWE, {
        "delivery_id": str(uuid.uuid4()),
        "interrupt_id": row["interrupt_id"],
        "kind": kind,
        "destination": destination,
        "host": host,
        "urgent": int(row["urgency"] == "high"),
        "due_ms": due_ms,
        "given_up_ms": due_ms + kept_ms(kind),
    }


def owe_nothing(interrupt_id: Value) -> Statement:
    """Remove all deliveries of an interrupt that is being settled."""
    sql = "DELETE FROM deliveries WHERE interrupt_id = :interrupt_id"
    return sql, {"interrupt_id": interrupt_id}


def owe_nothing_to(device_id: str) -> Statement:
    """Remove all deliveries to a device."""
    sql = "DELETE FROM deliveries WHERE destination = :destination"
    return sql, {"destination": f"{DEVICE}{device_id}"}


def kept_ms(kind: Kind) -> int:
    """How long after it is due a delivery is given up."""
    return CALLBACK_MS if kind == "callback" else NOTIFICATION_MS
