"""LoopinClient: the six verbs over one private `_send`."""

import hashlib
import math
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Self, TypeVar

import anyio
import httpx

from loopin_mcp.client.addresses import Locate, elsewhere, fixed_address, segment
from loopin_mcp.client.answers import Answer
from loopin_mcp.client.connections import connection_of, connection_to
from loopin_mcp.client.retries import delay_before_retry, outlasting_outages, polling_delays
from loopin_mcp.client.transport import (
    INTERRUPT_ANSWER,
    LIST_ANSWER,
    NotConnectedError,
    Outgoing,
    Transport,
    Via,
    check_host,
)
from loopin_mcp.errors import APIError, LoopinError, NotFoundError, UnreachableError
from loopin_mcp.wire.models import (
    Analytics,
    Cancelled,
    Created,
    Decided,
    Decision,
    Health,
    Interrupt,
    NewInterrupt,
    PendingPage,
    SignInLink,
    Used,
)

# Proxies cut long requests, after 30 or 60 seconds by default.
HOLD_S = 25
# An API that claims to hold and answers sooner is treated as one that does not hold.
SHORTEST_HOLD_S = 0.5
# How long the answer to a held request may travel at the end of a wait.
GRACE_S = 1.0
# Versions of APIs that ignore idempotency keys; LoopIn 1.0 gives no version.
WITHOUT_KEYS = (None, "0.1.0")

_AboutOne = TypeVar("_AboutOne", Interrupt, Decided, Used, Cancelled)


class LoopinClient:
    """A typed client of a LoopIn API, at a `base_url` or at the address that `locate` gives.

    Use it as an async context manager, or call `aclose`. The API has `timeout_s` to answer. A
    request is sent up to `attempts` times if that is safe. `locate` is called before every attempt
    and may start the API. `channel` tells the API how decisions reach this client. An `http` client
    that you pass in is used as it is and stays open.

    Raises:
        ConfigurationError: `base_url` or `api_key` cannot be used.
    """

    def __init__(
        self,
        base_url: str = "",
        api_key: str | None = None,
        *,
        timeout_s: float = 10.0,
        attempts: int = 3,
        locate: Locate | None = None,
        channel: Via = "api",
        http: httpx.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._locate = locate or fixed_address(base_url, api_key)
        check_host("base_url", base_url)
        connection = connection_of(http) if http else connection_to("" if locate else base_url)
        if not (locate or http or connection.proxy):
            self._locate = elsewhere(self._locate)
        self._attempts = attempts
        self._sleep = sleep
        self._transport = Transport(connection, timeout_s, channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections this client opened."""
        await self._transport.aclose()

    async def create_interrupt(
        self, interrupt: NewInterrupt, *, idempotency_key: str | None = None
    ) -> Created:
        """Ask a human; returns at once with the link to the review page.

        If this has to be sent again, there is still one interrupt: see `Outgoing`. With the same
        `idempotency_key`, any text, this finds the interrupt of the same question for a day.

        Raises:
            UnprocessableError: The key was used for another question.
        """
        # A header takes no text of any length and characters.
        key = str(uuid.uuid4()) if idempotency_key is None else _digest(idempotency_key)
        outgoing = Outgoing("POST", "interrupts", body=interrupt, idempotency_key=key)
        return (await self._send(outgoing)).read(Created)

    async def get_interrupt_status(self, interrupt_id: str) -> Interrupt:
        """The interrupt as it is now."""
        interrupt, _ = await self._look(interrupt_id, 0)
        return interrupt

    async def wait_for_decision(self, interrupt_id: str, timeout_s: float = math.inf) -> Interrupt:
        """The interrupt as soon as it is settled, or still pending after `timeout_s` seconds.

        Settled is not approved: look at its `status`. This asks the API to hold its answers. If the
        API does not, this asks again after one second, then ever later, up to five seconds. If the
        API goes away meanwhile, this waits for it.
        """
        deadline = anyio.current_time() + timeout_s
        delays_s = polling_delays()
        # The first answer is not held, so that an API that is away is noticed soon.
        interrupt = await self.get_interrupt_status(interrupt_id)
        was_held = True
        while interrupt.is_pending and (left_s := deadline - anyio.current_time()) > 0:
            with anyio.move_on_after(left_s + GRACE_S), outlasting_outages():
                if not was_held:
                    await self._sleep(min(next(delays_s), left_s))
                    left_s = deadline - anyio.current_time()
                was_held = False
                interrupt, was_held = await self._look(interrupt_id, left_s)
        return interrupt

    async def list_pending_interrupts(
        self, user_id: str, *, limit: int | None = None, cursor: str | None = None
    ) -> PendingPage:
        """One page of `user_id`'s pending interrupts, newest first; `limit` is 50, at most 200."""
        query = {"limit": None if limit is None else str(limit), "cursor": cursor}
        outgoing = Outgoing(
            "GET",
            "interrupts/pending/" + segment("userId", user_id),
            query={name: value for name, value in query.items() if value is not None},
            longest_answer=LIST_ANSWER,
        )
        answer = await self._send(outgoing)
        interrupts = tuple(
            interrupt
            for interrupt in (item.as_of(answer.now) for item in answer.read(tuple[Interrupt, ...]))
            if interrupt.is_pending
        )
        return PendingPage(
            user_id=user_id,
            count=len(interrupts),
            interrupts=interrupts,
            next_cursor=answer.next_cursor,
        )

    async def decide_interrupt(self, interrupt_id: str, decision: Decision) -> Decided:
        """Record a human's decision.

        Raises:
            ConflictError: The interrupt is already settled; nothing was changed.
        """
        path = f"interrupts/{segment('interruptId', interrupt_id)}/decide"
        answer = await self._send(Outgoing("POST", path, body=decision))
        decided = _about(interrupt_id, Decided, answer)
        if decided.decision != decision.decision:
            raise answer.not_loopin("another decision than the one sent")
        return decided

    async def use_approval(self, interrupt_id: str) -> Used:
        """Use an approval, right before the approved action; it succeeds once.

        Raises:
            ConflictError: It was used before, is not approved, or is too old: do not act.
        """
        path = f"interrupts/{segment('interruptId', interrupt_id)}/use"
        return _about(interrupt_id, Used, await self._send(Outgoing("POST", path)))

    async def cancel_interrupt(self, interrupt_id: str) -> Cancelled:
        """Cancel an interrupt that is still pending.

        Raises:
            ConflictError: The interrupt is already settled; nothing was changed.
        """
        path = "interrupts/" + segment("interruptId", interrupt_id)
        return _about(interrupt_id, Cancelled, await self._send(Outgoing("DELETE", path)))

    async def get_interrupt_analytics(self, user_id: str) -> Analytics:
        """The figures of one user's interrupts."""
        path = "analytics/" + segment("userId", user_id)
        return (await self._send(Outgoing("GET", path))).read(Analytics)

    async def create_sign_in_link(self) -> SignInLink:
        """A link that signs a browser in; only the embedded API makes one."""
        return (await self._send(Outgoing("POST", "sign-in-links"))).read(SignInLink)

    async def get_health(self, challenge: str | None = None) -> Health:
        """The health of the API, with its proof for `challenge` if it holds a key."""
        query = {"challenge": challenge} if challenge else {}
        return (await self._send(Outgoing("GET", "health", query=query))).read(Health)

    async def _look(self, interrupt_id: str, wait_s: float) -> tuple[Interrupt, bool]:
        """The interrupt, and whether the API held its answer to the request for it."""
        asked = anyio.current_time()
        path = "interrupts/" + segment("interruptId", interrupt_id)
        hold_s = math.ceil(min(max(wait_s, 0), HOLD_S))
        asking = Outgoing("GET", path, wait_s=hold_s, longest_answer=INTERRUPT_ANSWER)
        answer = await self._send(asking)
        was_held = answer.was_held and anyio.current_time() - asked >= SHORTEST_HOLD_S
        return _about(interrupt_id, Interrupt, answer).as_of(answer.now), was_held

    async def _send(self, outgoing: Outgoing) -> Answer:
        """Send one request, again if that is useful and safe, and return its success.

        After a temporary failure a request is sent again if it is a read, has an idempotency key
        that the API may know, or cannot have arrived.
        """
        until = anyio.current_time() + 2 * self._transport.longest_s + outgoing.wait_s
        attempt = 1
        while True:
            try:
                address = await self._locate()
                return (await self._transport.exchange(address, outgoing)).success()
            except (UnreachableError, APIError) as error:
                delay_s = delay_before_retry(error, outgoing, attempt)
                is_late = attempt >= self._attempts or anyio.current_time() > until
                if delay_s is None or is_late or not await self._may_arrive_twice(outgoing, error):
                    raise
            await self._sleep(delay_s)
            attempt += 1
            # Perhaps something on the way did not like the wait.
            outgoing = replace(outgoing, wait_s=0)

    async def _may_arrive_twice(self, outgoing: Outgoing, error: LoopinError) -> bool:
        """Whether a request that failed like this takes effect only once if it is sent again."""
        if outgoing.idempotency_key is None or isinstance(error, NotConnectedError):
            return True
        try:
            return (await self.get_health()).version not in WITHOUT_KEYS
        except NotFoundError:
            # LoopIn 1.0 answers at /health: this is a later API, whose /health something hides.
            return True
        except LoopinError:
            return False


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def _about(interrupt_id: str, shape: type[_AboutOne], answer: Answer) -> _AboutOne:
    """The answer, if it is about the interrupt that was asked for."""
    found = answer.read(shape)
    if found.interrupt_id != interrupt_id:
        raise answer.not_loopin("another interrupt than the one asked for")
    return found
