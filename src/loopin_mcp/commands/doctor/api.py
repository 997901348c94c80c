"""Checks the API: whether it answers, accepts the key and can store, its version and its clock."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from urllib.parse import urlsplit

from loopin_mcp.api.serving.loopback import listen_if_free
from loopin_mcp.client.addresses import Address, Locate, elsewhere, segment
from loopin_mcp.client.answers import Answer
from loopin_mcp.client.connections import connection_to
from loopin_mcp.client.transport import LIST_ANSWER, Outgoing, Transport
from loopin_mcp.commands.doctor.checks import Finding, problem
from loopin_mcp.errors import (
    APIError,
    ForbiddenError,
    LoopinError,
    UnauthorizedError,
    UnavailableError,
)
from loopin_mcp.settings.settings import Settings
from loopin_mcp.version import __version__
from loopin_mcp.wire.models import Health, Interrupt

API, KEY, READY = "API", "API key", "API readiness"
VERSION, CLOCK, PORT = "API version", "API clock", "Port"
TIMEOUT_S = 5.0
MOST_APART_S = 5.0

_REACH = "Check LOOPIN_API_URL, and that the API runs there."
_SAME = "Install the same version on both sides, and restart the hosts."


async def check_api(settings: Settings, locate: Locate) -> list[Finding]:
    """The API that these settings use."""
    try:
        connection = connection_to(settings.api_url or "")
        if settings.api_url and not connection.proxy:
            locate = elsewhere(locate)
        address = await locate()
    except LoopinError as error:
        return [problem(API, error, _REACH)]
    transport = Transport(connection, min(settings.timeout_s, TIMEOUT_S), "api")
    async with aclosing(transport):
        return await _examine(transport, address, settings)


async def _examine(transport: Transport, address: Address, settings: Settings) -> list[Finding]:
    user = settings.default_user_id or "loopin-mcp doctor"
    listing = Outgoing(
        "GET",
        "interrupts/pending/" + segment("userId", user),
        query={"limit": "1"},
        longest_answer=LIST_ANSWER,
    )
    asked = datetime.now(UTC)
    try:
        answer = await transport.exchange(address, listing)
    except LoopinError as error:
        return [problem(API, error, _REACH)]
    clock = _check_clock(answer, asked, datetime.now(UTC))
    key = _check_key(answer)
    if key.name == API:
        return [key]
    ready = await _check_readiness(transport, address)
    version = await _check_version(transport, address)
    return [Finding(API, "pass", _place_of(settings, address)), key, ready, version, clock]


def _place_of(settings: Settings, address: Address) -> str:
    if settings.api_url:
        return f"reached at {address.base_url} (LOOPIN_API_URL)"
    how = "started for this check" if address.is_here else "run by a host"
    return f"embedded, {how}, reached at {address.base_url}"


def _check_key(answer: Answer) -> Finding:
    try:
        answer.success().read(tuple[Interrupt, ...])
    except (UnauthorizedError, ForbiddenError) as error:
        return problem(KEY, error, "Set LOOPIN_API_KEY to the API_KEY_SECRET of that API.")
    except APIError as error:
        return problem(API, error, _REACH)
    return Finding(KEY, "pass", "accepted" if answer.api_key else "none is needed")


async def _check_readiness(transport: Transport, address: Address) -> Finding:
    try:
        (await transport.exchange(address, Outgoing("GET", "ready"))).success()
    except UnavailableError as error:
        return problem(READY, error, "Check the API's log: it names the fault and the remedy.")
    except LoopinError:
        return Finding(READY, "pass", "not known: this API does not say")
    return Finding(READY, "pass", "takes requests and decisions")


async def _check_version(transport: Transport, address: Address) -> Finding:
    try:
        answer = await transport.exchange(address, Outgoing("GET", "health"))
        version = answer.success().read(Health).version
    except LoopinError:
        version = None
    if version == __version__:
        return Finding(VERSION, "pass", f"{version}, as this command")
    found = f"{version or 'unknown'}, and this command is {__version__}"
    return Finding(VERSION, "warning", found, _SAME)


def _check_clock(answer: Answer, asked: datetime, answered: datetime) -> Finding:
    if "date" not in answer.headers:
        return Finding(CLOCK, "pass", "not known: its answers have no Date")
    # A Date is rounded down to a second.
    ahead_s = (answer.now - answered).total_seconds()
    behind_s = (asked - answer.now).total_seconds() - 1
    apart_s = max(ahead_s, behind_s, 0)
    if apart_s <= MOST_APART_S:
        return Finding(CLOCK, "pass", "the same as ours, within seconds")
    side = "ahead of" if ahead_s > behind_s else "behind"
    return Finding(
        CLOCK,
        "warning",
        f"{apart_s:.0f} seconds {side} ours",
        "Synchronize the clocks of both machines (NTP), or requests expire at the wrong time.",
    )


def check_port(settings: Settings, address: Address) -> Sequence[Finding]:
    """Whether the port of the embedded API is free, ours, or of another program."""
    used, usual = urlsplit(address.base_url).port, settings.port
    if used == usual:
        found = "was free" if address.is_here else "used by LoopIn"
        return [Finding(PORT, "pass", f"{usual}: {found}")]
    if usual == 0:
        return [Finding(PORT, "pass", f"any (LOOPIN_PORT is 0), now {used}")]
    if listener := listen_if_free(usual):
        listener.close()
        return [Finding(PORT, "pass", f"{usual}: free; LoopIn runs at {used}")]
    return [
        Finding(
            PORT,
            "warning",
            f"{usual}: another program has it, so LoopIn uses {used}",
            "Set LOOPIN_PORT to a free port in every host, or end that program.",
        )
    ]
