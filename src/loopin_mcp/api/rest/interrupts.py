"""The REST endpoints: each parses one model, calls one store method, returns one model."""

from functools import partial
from typing import Annotated
from urllib.parse import quote, urlencode

import anyio.to_thread
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import json_response, values_of
from loopin_mcp.api.access.guard import actor_of
from loopin_mcp.api.access.keys import Keys
from loopin_mcp.api.access.limits import CreateRate, Waits
from loopin_mcp.api.database.rows import Stored
from loopin_mcp.api.outbox.destinations import Destinations
from loopin_mcp.api.rest.headers import hold, idempotency_key, preferred_wait_s
from loopin_mcp.api.rest.requests import check, decoded, interrupt_id_of, read_json, until_gone
from loopin_mcp.api.rest.waiting import wait_for_settled
from loopin_mcp.api.store.creation import IdempotencyKey
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.fields import DEFAULT_PAGE, LARGEST_PAGE, UserId
from loopin_mcp.wire.models import Decision, NewInterrupt, Wire


class UserPath(Wire):
    """The user in a path."""

    user_id: UserId


class PageQuery(Wire):
    """Which part of a list to return."""

    limit: Annotated[int, Field(ge=1, le=LARGEST_PAGE)] = DEFAULT_PAGE
    cursor: str | None = None


class Interrupts:
    """The endpoints on interrupts and analytics."""

    def __init__(
        self, store: Store, keys: Keys, rate: CreateRate, waits: Waits, destinations: Destinations
    ) -> None:
        self._store = store
        self._keys = keys
        self._rate = rate
        self._waits = waits
        self._destinations = destinations

    async def create_interrupt(self, request: Request) -> Response:
        """`POST /interrupts`."""
        named = idempotency_key(values_of(request.scope, b"idempotency-key"))
        interrupt = await read_json(request, NewInterrupt)
        actor = actor_of(request)
        count = partial(self._rate.count, actor.name)
        if interrupt.call is None:
            count()
        await self._destinations.check(interrupt.callback_url)
        if interrupt.call is not None:
            # The call itself says what was asked before.
            created, existed = await self._store.create_interrupt_for_call(interrupt, actor, count)
            return _json(created, 200 if existed else 201)
        if named is None:
            return _json(await self._store.create_interrupt(interrupt, actor), 201)
        key = IdempotencyKey(actor.name, named)
        created, was_there = await self._store.create_interrupt_once(interrupt, actor, key)
        answer = _json(created, 201)
        if was_there:
            answer.headers["Idempotency-Replayed"] = "true"
        return answer

    async def get_interrupt_status(self, request: Request) -> Response:
        """`GET /interrupts/{interruptId}`, held while it is pending by `Prefer: wait=N`."""
        interrupt_id = interrupt_id_of(request)
        wait_s = preferred_wait_s(values_of(request.scope, b"prefer"))
        if not wait_s:
            interrupt = await self._store.read_interrupt(interrupt_id)
            return _state(interrupt, wait_s)
        hold(request.scope)
        with self._waits.one_of(("calls", actor_of(request).name)) as may_wait:
            # A caller with too many waits gets the current state at once, and can ask again.
            interrupt = await wait_for_settled(
                self._store, interrupt_id, wait_s if may_wait else 0, lambda: until_gone(request)
            )
        return _state(interrupt, wait_s if may_wait else None)

    async def list_pending_interrupts(self, request: Request) -> Response:
        """`GET /interrupts/pending/{userId}`."""
        user_id = _user_id_of(request)
        query = check(PageQuery, dict(request.query_params))
        page = await self._store.list_pending_interrupts(
            user_id, limit=query.limit, cursor=query.cursor
        )
        headers = {}
        if page.next_cursor:
            next_query = urlencode({"limit": query.limit, "cursor": page.next_cursor})
            path = f"/interrupts/pending/{quote(user_id, safe='')}"
            headers["Link"] = f'<{self._store.public_url}{path}?{next_query}>; rel="next"'
        # Serializing megabytes takes time, which must not delay other requests.
        body = await anyio.to_thread.run_sync(partial(to_json, page.interrupts, by_alias=True))
        return json_response(body, headers=headers)

    async def decide_interrupt(self, request: Request) -> Response:
        """`POST /interrupts/{interruptId}/decide`."""
        actor = actor_of(request)
        self._keys.require_decider(actor.name)
        decision = await read_json(request, Decision)
        return _json(await self._store.decide_interrupt(interrupt_id_of(request), decision, actor))

    async def use_approval(self, request: Request) -> Response:
        """`POST /interrupts/{interruptId}/use`."""
        actor, interrupt_id = actor_of(request), interrupt_id_of(request)
        return _json(await self._store.approvals.use_approval(interrupt_id, actor))

    async def list_standing(self, request: Request) -> Response:
        """`GET /standing-approvals`."""
        self._keys.require_reviewer(actor_of(request).name)
        return json_response(to_json(await self._store.approvals.list_standing(), by_alias=True))

    async def end_standing(self, request: Request) -> Response:
        """`DELETE /standing-approvals/{interruptId}`."""
        actor = actor_of(request)
        self._keys.require_reviewer(actor.name)
        return _json(await self._store.approvals.end_standing(interrupt_id_of(request), actor))

    async def cancel_interrupt(self, request: Request) -> Response:
        """`DELETE /interrupts/{interruptId}`."""
        interrupt_id = interrupt_id_of(request)
        return _json(await self._store.cancel_interrupt(interrupt_id, actor_of(request)))

    async def list_events(self, request: Request) -> Response:
        """`GET /interrupts/{interruptId}/events`."""
        events = await self._store.list_events(interrupt_id_of(request))
        return json_response(to_json(events, by_alias=True))

    async def get_interrupt_analytics(self, request: Request) -> Response:
        """`GET /analytics/{userId}`."""
        user_id = _user_id_of(request)
        return _json(await self._store.get_interrupt_analytics(user_id))


def _user_id_of(request: Request) -> str:
    return check(UserPath, {"userId": decoded(request.path_params["user_id"])}).user_id


def _state(interrupt: Stored, waited_s: int | None) -> Response:
    applied = {} if waited_s is None else {"Preference-Applied": f"wait={waited_s}"}
    return json_response(to_json(interrupt.fields), headers={"Vary": "Prefer", **applied})


def _json(model: BaseModel, status: int = 200) -> Response:
    return json_response(to_json(model, by_alias=True), status)
