"""create_app: the routes, the error handlers and the guard, wired together."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_bytes

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Mount, Route
from starlette.staticfiles import StaticFiles

from loopin_mcp.api.access.browser import error_response
from loopin_mcp.api.access.guard import Guard, HostRule, host_rule, refusal
from loopin_mcp.api.access.keys import Door, Keys, Sleep
from loopin_mcp.api.access.limits import CreateRate, Limits, Waits
from loopin_mcp.api.access.places import Places
from loopin_mcp.api.access.proofs import Proofs
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.front import Calls, Endpoint, Front, InBrowser, apology
from loopin_mcp.api.metrics.endpoint import endpoint_of, metrics_of
from loopin_mcp.api.outbox.destinations import Destinations
from loopin_mcp.api.outbox.pushes import Pushes
from loopin_mcp.api.outbox.web_push import VapidKeys
from loopin_mcp.api.pages.history.analytics.page import AnalyticsPage
from loopin_mcp.api.pages.history.exports import Exports
from loopin_mcp.api.pages.inbox import Inbox
from loopin_mcp.api.pages.live import HEARTBEAT_S, Live
from loopin_mcp.api.pages.notifications import app_files
from loopin_mcp.api.pages.notifications.page import NotificationsPage
from loopin_mcp.api.pages.rendering import Pages
from loopin_mcp.api.pages.review import Review
from loopin_mcp.api.pages.sign_in import SignIn
from loopin_mcp.api.pages.together import Together
from loopin_mcp.api.rest.health import HealthCheck, Readiness
from loopin_mcp.api.rest.interrupts import Interrupts
from loopin_mcp.api.rest.openapi import Description
from loopin_mcp.api.store.store import Store
from loopin_mcp.api.watch import Count, Watch
from loopin_mcp.errors import APIError
from loopin_mcp.settings.api_options import Options
from loopin_mcp.version import __version__
from loopin_mcp.wire.siblings import sibling_key

STATIC = Path(__file__).parent / "pages" / "static"

# Pages are not in the OpenAPI description.
_Page = partial(Route, include_in_schema=False)


@dataclass(frozen=True)
class API:
    """An app, and the parts of it that others share."""

    app: Front
    metrics: Endpoint
    count: Count | None
    door: Door
    knows_host: HostRule
    sessions: Sessions
    live: Live
    destinations: Destinations
    pushes: Pushes


def create_app(
    store: Store,
    options: Options,
    host: str = "127.0.0.1",
    port: int = 3002,
    limits: Limits | None = None,
    *,
    page_key: bytes | None = None,
    heartbeat_s: float = HEARTBEAT_S,
    sleep: Sleep = anyio.sleep,
) -> API:
    """The LoopIn API as an ASGI app, for a server that listens on `host` and `port`.

    `page_key`, which the database has, proves it to open pages, also after a restart.
    """
    keys, waits = Keys(options.api_key, options.reviewers), Waits((limits or Limits()).waits)
    door, destinations = Door(keys, store.clock, sleep), Destinations.of(options)
    sessions = Sessions(keys, store.sessions, store.clock, store.public_url)
    address = f"{host}:{port}" if options.is_local else store.public_url
    page_key = page_key or token_bytes()
    proofs = Proofs(_key_of_pages(options, page_key), address)
    vapid = VapidKeys(options.audit_keys, page_key)
    pushes = Pushes(store, keys, vapid, Destinations.of_pushes(options))
    live = Live(store, sessions, waits, heartbeat_s)
    pages = Pages(store, sessions, proofs, embedded=options.embedded)
    calls = Interrupts(store, keys, CreateRate(options.rate_limit), waits, destinations)
    health = HealthCheck(__version__, port, _proof_key(options))
    sign_in = SignIn(store, sessions, pages, door)
    metrics = metrics_of(store, waits)
    get_metrics = endpoint_of(metrics)
    answered = _call_routes(calls, health, Readiness(store), Description(options))
    app = Starlette(
        routes=[
            *answered,
            *_page_routes(store, sessions, pages, live, options.reject_reasons),
            *_notification_routes(NotificationsPage(store, sessions, pages, pushes)),
            *_sign_in_routes(sign_in, gives_links=options.embedded),
            _Page("/metrics", get_metrics),
            _Page("/proofs/{page_id}/{challenge}", proofs.prove),
            # Pages are not compressed: their length would tell of the secrets in them (BREACH).
            Mount("/static", GZipMiddleware(StaticFiles(directory=STATIC))),
        ],
        exception_handlers=_handlers(pages.in_browser),
    )
    app.router.redirect_slashes = False
    knows_host = host_rule(host, store.public_url)
    guard = Guard(door, knows_host)
    count = metrics.requests.count if metrics else None
    watch = Watch(app.routes, count)
    front = Front(app, Places(sessions), guard, Calls(answered), pages.in_browser, watch)
    return API(front, get_metrics, count, door, knows_host, sessions, live, destinations, pushes)


def _key_of_pages(options: Options, stored: bytes) -> bytes:
    """A key that nobody can make who can only read the database."""
    secret = next(iter(options.audit_keys), "")
    return hmac.digest(secret.encode(), b"LoopIn pages\n" + stored, "sha256")


def _proof_key(options: Options) -> str | None:
    """The key whose possession the embedded API proves; a key that a human chose is guessable."""
    if options.api_key is None or not options.embedded:
        return None
    return sibling_key(options.api_key, options.reviewers)


def _call_routes(
    calls: Interrupts, health: HealthCheck, readiness: Readiness, description: Description
) -> list[Route]:
    return [
        Route("/interrupts", calls.create_interrupt, methods=["POST"]),
        Route("/interrupts/pending/{user_id}", calls.list_pending_interrupts),
        Route("/interrupts/{interrupt_id}/decide", calls.decide_interrupt, methods=["POST"]),
        Route("/interrupts/{interrupt_id}/use", calls.use_approval, methods=["POST"]),
        Route("/interrupts/{interrupt_id}/events", calls.list_events),
        Route("/interrupts/{interrupt_id}", calls.cancel_interrupt, methods=["DELETE"]),
        Route("/interrupts/{interrupt_id}", calls.get_interrupt_status),
        Route("/standing-approvals", calls.list_standing),
        Route("/standing-approvals/{interrupt_id}", calls.end_standing, methods=["DELETE"]),
        Route("/analytics/{user_id}", calls.get_interrupt_analytics),
        Route("/health", health.get_health),
        Route("/ready", readiness.get_readiness),
        Route("/openapi.json", description.get_openapi_document),
    ]


def _page_routes(
    store: Store, sessions: Sessions, pages: Pages, live: Live, reasons: tuple[str, ...]
) -> list[Route]:
    review = Review(store, sessions, pages, reasons)
    inbox, together = Inbox(store, sessions, pages), Together(store, sessions, pages)
    analytics, exports = AnalyticsPage(store, sessions, pages), Exports(store, sessions, pages)
    return [
        Route("/review/{interrupt_id}", review.decide_interrupt, methods=["POST"]),
        Route("/review/{interrupt_id}", review.show_interrupt),
        _Page("/review/{interrupt_id}/events", live.review_events),
        _Page("/", inbox.show_changes, methods=["POST"]),
        _Page("/", inbox.show_inbox),
        _Page("/history", inbox.show_history),
        _Page("/history.csv", exports.export_csv),
        _Page("/history.jsonl", exports.export_lines),
        _Page("/analytics", analytics.show_analytics),
        _Page("/inbox/events", live.inbox_events),
        _Page("/inbox/compare", together.compare, methods=["POST"]),
        _Page("/inbox/decide", together.decide, methods=["POST"]),
        _Page("/inbox/test", inbox.send_test_request, methods=["POST"]),
        _Page("/inbox/{interrupt_id}/end", inbox.end_standing, methods=["POST"]),
    ]


def _notification_routes(notifications: NotificationsPage) -> list[Route]:
    device = "/notifications/{device_id}"
    return [
        _Page("/notifications", notifications.add_device, methods=["POST"]),
        _Page("/notifications", notifications.show_notifications),
        _Page("/notifications/waiting", notifications.list_new),
        _Page(f"{device}/remove", notifications.remove_device, methods=["POST"]),
        _Page(f"{device}/test", notifications.send_test, methods=["POST"]),
        _Page(f"{device}/choose", notifications.choose, methods=["POST"]),
        _Page("/sw.js", app_files.worker),
        _Page("/app.webmanifest", app_files.manifest(notifications.home)),
        _Page("/favicon/{count}", app_files.favicon),
    ]


def _sign_in_routes(sign_in: SignIn, *, gives_links: bool) -> list[Route]:
    create_link = Route("/sign-in-links", sign_in.create_sign_in_link, methods=["POST"])
    return [
        _Page("/sign-in", sign_in.sign_in, methods=["POST"]),
        _Page("/sign-in", sign_in.show_sign_in),
        _Page("/sign-in/{token}", sign_in.open_link),
        _Page("/sign-out", sign_in.sign_out, methods=["POST"]),
        *([create_link] if gives_links else []),
    ]


Handler = Callable[[Request, Exception], Awaitable[Response]]


def _handlers(in_browser: InBrowser) -> dict[type[Exception], Handler]:
    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, APIError)
        return in_browser(request, refusal(error))

    async def refuse_route(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if "Allow" in headers:
            # If routes share a path, Starlette names only the methods of the first one.
            headers["Allow"] = ", ".join(sorted(_methods_at(request)))
        return in_browser(request, error_response(error.detail, error.status_code, headers))

    async def apologise(request: Request, _error: Exception) -> Response:
        return in_browser(request, apology())

    return {APIError: refuse, HTTPException: refuse_route, Exception: apologise}


def _methods_at(request: Request) -> set[str]:
    return {
        method
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }
