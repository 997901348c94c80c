"""The devices of a reviewer: `/notifications`, and what its forms and scripts send."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import PAGE_HEADERS, json_response, refuse_foreign_page, root_of
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.clock import moment
from loopin_mcp.api.outbox.delivery import NotSentError
from loopin_mcp.api.outbox.pushes import Pushes, Subscription, push_of
from loopin_mcp.api.pages.notifications.device_names import device_name
from loopin_mcp.api.pages.rendering import Failure, Link, Pages, page
from loopin_mcp.api.rest.requests import check, read_form
from loopin_mcp.api.store.browsers.devices import MOST_EACH, DeviceRow
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import APIError, NotFoundError
from loopin_mcp.version import how_to_add
from loopin_mcp.wire.models import Wire

_WHOLE = Link("Open Notifications", "notifications")
_NOT_SHOWN = {APIError: Failure("Notifications cannot be shown", "{}. Try again in a minute.")}
_NOT_CHANGED = {APIError: Failure("Nothing was changed", "{}.", _WHOLE)}
_HERE = "notifications"


class NewAfter(Wire):
    """The place of the newest request that a page knows, or none to begin."""

    after: Annotated[int | None, Field(ge=0, le=2**62)] = None


class Outcome(Wire):
    """What a form has just done, in the address of the page that shows it."""

    done: Literal["", "removed", "tested", "failed", "ended", "chosen"] = ""


_DONE = {
    "": "",
    "removed": "Removed. This device gets no more notifications.",
    "tested": "Test sent. It appears on the device within a few seconds.",
    "failed": "The test was not sent. The list below has the reason.",
    "ended": "That device has turned notifications off, so it was removed from the list.",
    "chosen": "Saved.",
}


@dataclass(frozen=True)
class Device:
    """A device in the list."""

    row: DeviceRow

    @property
    def mark(self) -> str:
        """A digest by which its own browser knows it."""
        return sha256(self.row.endpoint.encode()).hexdigest()

    @property
    def added_at(self) -> datetime:
        """When notifications were turned on there."""
        return moment(self.row.added_ms)

    @property
    def sent_at(self) -> datetime | None:
        """When its push service last accepted a push."""
        return moment(self.row.sent_ms) if self.row.sent_ms else None

    @property
    def failed_at(self) -> datetime | None:
        """When a push last failed, unless one was accepted after that."""
        return moment(self.row.failed_ms) if self.row.failed_ms else None


@dataclass(frozen=True)
class NotificationsModel:
    """The model of the page; `key` is the one to subscribe with, or None without the extra."""

    devices: Sequence[Device]
    key: str | None
    outcome: str
    is_fault: bool
    most = MOST_EACH
    # Between its commands.
    how_to_add = tuple(how_to_add("notify").split("`"))


class NotificationsPage:
    """The page with the devices of the person who is signed in."""

    def __init__(self, store: Store, sessions: Sessions, pages: Pages, pushes: Pushes) -> None:
        self.home = root_of(store.public_url)
        self._store = store
        self._sessions = sessions
        self._pages = pages
        self._pushes = pushes

    @page(_NOT_SHOWN)
    async def show_notifications(self, request: Request) -> Response:
        """`GET /notifications`."""
        subject = self._sessions.require_subject(request)
        outcome = check(Outcome, dict(request.query_params))
        key = await self._pushes.public_key() if self._pushes.is_installed else None
        devices = [Device(row) for row in await self._pushes.list_of(subject)]
        said, is_fault = _DONE[outcome.done], outcome.done == "failed"
        model = NotificationsModel(devices, key, said, is_fault)
        return await self._pages.show(request, "app/notifications.html", page=model)

    @page(_NOT_CHANGED)
    async def add_device(self, request: Request) -> Response:
        """`POST /notifications`: the subscription of this browser, from its script."""
        subject = self._subject_of_form(request)
        if not self._pushes.is_installed:
            raise NotFoundError("This LoopIn lacks the extra `notify`")
        names = ("endpoint", "p256dh", "auth", "key")
        form = await read_form(request, names)
        subscription = Subscription(*(form.get(name, "") for name in names))
        name = device_name(request.headers.get("user-agent", ""))
        await self._pushes.add(subject, name, subscription)
        return Response(status_code=204, headers=PAGE_HEADERS)

    @page(_NOT_CHANGED)
    async def remove_device(self, request: Request) -> Response:
        """`POST /notifications/{deviceId}/remove`."""
        row = await self._device_of_form(request)
        await self._store.devices.remove(row.device_id)
        return self._show_outcome(request, "removed")

    @page(_NOT_CHANGED)
    async def send_test(self, request: Request) -> Response:
        """`POST /notifications/{deviceId}/test`."""
        row = await self._device_of_form(request)
        try:
            is_sent = await self._pushes.send_test(row)
        except NotSentError:
            return self._show_outcome(request, "failed")
        return self._show_outcome(request, "tested" if is_sent else "ended")

    @page(_NOT_CHANGED)
    async def choose(self, request: Request) -> Response:
        """`POST /notifications/{deviceId}/choose`: all requests, or only those of high urgency."""
        row = await self._device_of_form(request)
        form = await read_form(request, ("requests",))
        urgent_only = form.get("requests") == "high"
        await self._store.devices.choose(row.device_id, urgent_only=urgent_only)
        return self._show_outcome(request, "chosen")

    async def list_new(self, request: Request) -> Response:
        """`GET /notifications/waiting`: how many requests wait, and those newer than `after`."""
        self._sessions.require_subject(request)
        after = check(NewAfter, dict(request.query_params)).after
        newest = await self._store.overview.list_newest(after)
        now = self._store.clock()
        new = []
        for interrupt_id in newest.interrupt_ids:
            # One that is damaged, or was deleted meanwhile, is left out.
            with contextlib.suppress(APIError):
                interrupt, trail = await self._store.get_trail(interrupt_id)
                if interrupt.is_pending and not trail.fault():
                    new.append(push_of(interrupt, now, is_reminder=False).message)
        return json_response(to_json({"count": newest.count, "last": newest.last, "new": new}))

    def _subject_of_form(self, request: Request) -> str:
        refuse_foreign_page(request, self._store.public_url)
        return self._sessions.require_subject(request)

    async def _device_of_form(self, request: Request) -> DeviceRow:
        subject = self._subject_of_form(request)
        return await self._pushes.get(subject, request.path_params["device_id"])

    def _show_outcome(self, request: Request, done: str) -> Response:
        return self._pages.redirect(request, f"{_HERE}?done={done}")
