"""Deciding several requests together: which are alike, what differs among them, what failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.access.browser import refuse_foreign_page
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.audit.digests import canonical, digest
from loopin_mcp.api.pages.changes.decision_form import Entry
from loopin_mcp.api.pages.filters import fits_in_list
from loopin_mcp.api.pages.rendering import Failure, Link, Pages, page
from loopin_mcp.api.pages.review import NOT_RECORDED, record_views
from loopin_mcp.api.rest.requests import read_fields
from loopin_mcp.api.store.creation import action_type
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import APIError, InvalidRequestError, UnavailableError
from loopin_mcp.wire.models import Decision, Interrupt

MOST_TOGETHER = 50
_INBOX = Link("Back to the inbox", "")
_HEADING = "These requests cannot be compared"
_NOT_SHOWN = {
    UnavailableError: Failure(_HEADING, "{}. Try again in a minute.", _INBOX),
    APIError: Failure(_HEADING, "{}.", _INBOX),
}
_NOT_RECORDED = {
    kind: Failure(failure.heading, failure.text, _INBOX) for kind, failure in NOT_RECORDED.items()
}


def kind_of(interrupt: Interrupt) -> str | None:
    """A digest that requests share if they are alike; None if one is decided by itself."""
    if interrupt.urgency == "high" or not fits_in_list(interrupt):
        return None
    tool = interrupt.call["tool"] if interrupt.call else None
    names: list[JsonValue] = [*sorted(interrupt.context or ())]
    return digest([interrupt.agent_id, action_type(interrupt.action), tool, names])


@dataclass(frozen=True)
class LeftOut:
    """A request that was not compared or not decided, its action if that is known, and why."""

    interrupt_id: str
    action: str
    why: str


@dataclass(frozen=True)
class Row:
    """A request in a comparison, with its values that differ, in the order of the columns."""

    interrupt: Interrupt
    values: tuple[JsonValue, ...]


@dataclass(frozen=True)
class Comparison:
    """Requests that are alike, and the chosen ones that are not like them."""

    interrupts: tuple[Interrupt, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def title(self) -> str:
        """How many requests there are to decide."""
        count = len(self.interrupts)
        return f"Decide {count} requests together" if count > 1 else "Decide 1 request"

    @property
    def first(self) -> Interrupt:
        """The request that was chosen first."""
        return self.interrupts[0]

    @property
    def has_actions(self) -> bool:
        """Whether the actions differ."""
        return len({each.action for each in self.interrupts}) > 1

    @property
    def has_users(self) -> bool:
        """Whether the users differ."""
        return len({each.user_id for each in self.interrupts}) > 1

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The keys of the context whose values differ."""
        return tuple(name for name in self.first.context or {} if self._differs(name))

    @property
    def rows(self) -> tuple[Row, ...]:
        """Each request with the values that differ."""
        return tuple(
            Row(each, tuple((each.context or {})[name] for name in self.columns))
            for each in self.interrupts
        )

    @property
    def common(self) -> dict[str, JsonValue]:
        """The values that all requests have."""
        context = self.first.context or {}
        return {name: value for name, value in context.items() if name not in self.columns}

    def _differs(self, name: str) -> bool:
        # In Python, True equals 1.
        return len({canonical((each.context or {})[name]) for each in self.interrupts}) > 1


@dataclass(frozen=True)
class Decided:
    """The requests that were decided together, and those that were not."""

    decision: str
    interrupts: tuple[Interrupt, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def title(self) -> str:
        """How many were decided, and how."""
        return f"{len(self.interrupts)} {self.decision}"

    @property
    def ids(self) -> str:
        """The ids of the decided ones, for the script of the inbox."""
        return " ".join(each.interrupt_id for each in self.interrupts)


class Together:
    """Comparing and deciding several requests, for people who are signed in."""

    def __init__(self, store: Store, sessions: Sessions, pages: Pages) -> None:
        self._store = store
        self._sessions = sessions
        self._pages = pages

    @page(_NOT_SHOWN)
    async def compare(self, request: Request) -> Response:
        """`POST /inbox/compare`: shows what differs among the requests that were chosen."""
        refuse_foreign_page(request, self._store.public_url)
        actor = self._actor(request)
        fields = await read_fields(request, ("pick",), MOST_TOGETHER)
        comparison = await self._compared([chosen for _, chosen in fields])
        answer = await self._pages.show(request, "inbox/compare.html", page=comparison)
        viewed = [interrupt.interrupt_id for interrupt in comparison.interrupts]
        answer.background = BackgroundTask(record_views, self._store, viewed, actor)
        return answer

    @page(_NOT_RECORDED)
    async def decide(self, request: Request) -> Response:
        """`POST /inbox/decide`: decides each of these requests by itself, as it was shown."""
        refuse_foreign_page(request, self._store.public_url)
        actor = self._actor(request)
        known = ("pick", "decision", "reason")
        fields = await read_fields(request, known, MOST_TOGETHER + len(known) - 1)
        digests = dict(_parted(value) for name, value in fields if name == "pick")
        form = dict(fields)
        entry = Entry(form.get("decision", ""), form.get("reason", "")).checked()
        if isinstance(entry, Entry):
            name, fault = next(iter(entry.faults.items()))
            raise InvalidRequestError(f"The field {name} {fault}")
        decided = await self._decide_all(await self._compared([*digests]), digests, entry, actor)
        return await self._pages.show(request, "inbox/decided.html", page=decided)

    def _actor(self, request: Request) -> Actor:
        return Actor(self._sessions.require_subject(request), "inbox")

    async def _compared(self, interrupt_ids: Sequence[str]) -> Comparison:
        """The requests that are like the first one that can be decided.

        Raises:
            InvalidRequestError: None was chosen.
        """
        found: list[Interrupt] = []
        left_out: list[LeftOut] = []
        if not interrupt_ids:
            raise InvalidRequestError("No request was selected")
        for interrupt_id in dict.fromkeys(interrupt_ids):
            try:
                interrupt = await self._readable(interrupt_id)
            except APIError as error:
                left_out.append(LeftOut(interrupt_id, "", str(error)))
                continue
            if why := _why_not(interrupt, found):
                left_out.append(LeftOut(interrupt_id, interrupt.action, why))
            else:
                found.append(interrupt)
        return Comparison(tuple(found), tuple(left_out))

    async def _readable(self, interrupt_id: str) -> Interrupt:
        if not interrupt_id.isprintable():
            raise InvalidRequestError("This is not the id of a request")
        return await self._store.get_interrupt_status(interrupt_id)

    async def _decide_all(
        self, comparison: Comparison, digests: dict[str, str], entry: Decision, actor: Actor
    ) -> Decided:
        decided: list[Interrupt] = []
        left_out = [*comparison.left_out]
        for interrupt in comparison.interrupts:
            interrupt_id = interrupt.interrupt_id
            decision = entry.model_copy(update={"payload_digest": digests[interrupt_id]})
            try:
                await self._store.decide_interrupt(interrupt_id, decision, actor)
                decided.append(interrupt)
            except APIError as error:
                is_known = not isinstance(error, UnavailableError)
                why = str(error) if is_known else f"{error}: look at it before you try again"
                left_out.append(LeftOut(interrupt_id, interrupt.action, why))
        return Decided(entry.decision, tuple(decided), tuple(left_out))


def _why_not(interrupt: Interrupt, others: Sequence[Interrupt]) -> str | None:
    """Why a request cannot be decided together with these others, or None."""
    if not interrupt.is_pending:
        return f"It is already {interrupt.status}"
    if interrupt.urgency == "high":
        return "Requests of high urgency are decided one by one"
    kind = kind_of(interrupt)
    if kind is None:
        return "It is too long to be compared"
    return "It is not like the others" if others and kind != kind_of(others[0]) else None


def _parted(pick: str) -> tuple[str, str]:
    """The id and the digest in the value of a field.

    Raises:
        InvalidRequestError: It has no digest of what was shown.
    """
    interrupt_id, _, shown = pick.partition(" ")
    if not shown:
        raise InvalidRequestError("A request was sent without its payloadDigest")
    return interrupt_id, shown
