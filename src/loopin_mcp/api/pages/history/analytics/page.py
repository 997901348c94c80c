"""The analytics page: `GET /analytics`, for all users or one."""

from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.pages.history.analytics.report import Report
from loopin_mcp.api.pages.rendering import Failure, Pages, page
from loopin_mcp.api.rest.requests import check
from loopin_mcp.api.store.history.analytics import EVERYBODY, Period
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import APIError
from loopin_mcp.settings.values import LONGEST_NAME
from loopin_mcp.wire.models import Wire

OFFERED_USERS = 50
_NOT_SHOWN = {
    APIError: Failure("Analytics cannot be shown", "{}. Open Analytics again, or try later.")
}
PERIODS = {
    "7": Period(7, by_week=False),
    "30": Period(30, by_week=False),
    "90": Period(90, by_week=True),
    "365": Period(365, by_week=True),
}


class AnalyticsQuery(Wire):
    """The user whose figures to show (blank for all users), and for how many days."""

    user: Annotated[str, Field(max_length=LONGEST_NAME, pattern=r"^[^\x00]*$")] = EVERYBODY
    days: Literal["7", "30", "90", "365"] = "30"

    @property
    def user_id(self) -> str:
        """The user, or `EVERYBODY`."""
        return self.user if self.user.strip() else EVERYBODY

    @property
    def periods(self) -> tuple["PeriodLink", ...]:
        """The periods to choose from."""
        return tuple(
            PeriodLink(days, link_to(self.user_id, days), is_chosen=days == self.days)
            for days in PERIODS
        )


@dataclass(frozen=True)
class PeriodLink:
    """A link to the same figures for another period."""

    days: str
    query: str
    is_chosen: bool


def link_to(user_id: str, days: str) -> str:
    """The query for a user's figures, or for those of all users."""
    return urlencode({"user": user_id, "days": days} if user_id else {"days": days})


class AnalyticsPage:
    """The analytics page."""

    def __init__(self, store: Store, sessions: Sessions, pages: Pages) -> None:
        self._store = store
        self._sessions = sessions
        self._pages = pages

    @page(_NOT_SHOWN)
    async def show_analytics(self, request: Request) -> Response:
        """`GET /analytics`."""
        self._sessions.require_subject(request)
        query = check(AnalyticsQuery, dict(request.query_params))
        period, figures = PERIODS[query.days], self._store.figures
        report = Report(
            analytics=await figures.analytics(query.user_id),
            decisions=await figures.decisions(query.user_id, period),
            breakdown=await figures.breakdown(query.user_id, period),
            period=period,
            users=await figures.busiest_users(OFFERED_USERS),
        )
        return await self._pages.show(
            request, "history/analytics.html", query=query, report=report, link_to=link_to
        )
