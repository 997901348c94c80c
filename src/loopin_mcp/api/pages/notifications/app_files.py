"""What a browser needs to install LoopIn as an app: the manifest, the worker, the icon."""

import re
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.browser import PAGE_HEADERS
from loopin_mcp.errors import NotFoundError

STATIC = Path(__file__).parents[1] / "static"
# The colours of the page in loopin.css.
LIGHT, DARK = "#f4f5f9", "#0f1118"
MOST_COUNTED = 9

_COUNT = re.compile(r"[1-9]\d{0,8}")
_BADGE = (
    '<circle cx="23" cy="23" r="9" fill="#b3261e" stroke="#fff" stroke-width="1.5"/>'
    '<text x="23" y="27.5" fill="#fff" font-family="system-ui, sans-serif" font-size="{size}" '
    'font-weight="700" text-anchor="middle">{count}</text></svg>'
)

_Endpoint = Callable[[Request], Awaitable[Response]]


async def worker(_request: Request) -> Response:
    """`GET /sw.js`: the service worker, which shows pushes and handles no pages."""
    return _answer(_text("app/sw.js"), "text/javascript")


def manifest(root: str) -> _Endpoint:
    """`GET /app.webmanifest`, for an app whose pages are below `root`."""
    body = to_json(
        {
            "id": root,
            "name": "LoopIn: approvals",
            "short_name": "LoopIn",
            "description": "Approve or reject what AI agents ask to do.",
            "start_url": root,
            "scope": root,
            "display": "standalone",
            "background_color": LIGHT,
            "theme_color": LIGHT,
            "icons": [
                _icon(root, "icon-192.png", "192x192"),
                _icon(root, "icon-512.png", "512x512"),
                _icon(root, "maskable-512.png", "512x512", "maskable"),
                _icon(root, "icon.svg", "any"),
            ],
        }
    )

    async def show_manifest(_request: Request) -> Response:
        return _answer(body, "application/manifest+json")

    return show_manifest


async def favicon(request: Request) -> Response:
    """`GET /favicon/{count}`: the icon with the number of waiting requests."""
    count = request.path_params["count"]
    if not _COUNT.fullmatch(count):
        raise NotFoundError("The icon takes a number")
    few = int(count) <= MOST_COUNTED
    badge = _BADGE.format(count=count if few else f"{MOST_COUNTED}+", size=13 if few else 10)
    return _answer(_text("loopin.svg").replace("</svg>", badge), "image/svg+xml")


def _icon(root: str, name: str, sizes: str, purpose: str = "any") -> dict[str, str]:
    kind = "image/svg+xml" if name.endswith("svg") else "image/png"
    return {"src": f"{root}static/app/{name}", "sizes": sizes, "type": kind, "purpose": purpose}


def _answer(body: str | bytes, media_type: str) -> Response:
    return Response(body, media_type=media_type, headers=PAGE_HEADERS)


@cache
def _text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8").strip()
