"""The human who is asked, by REST or on the review page."""

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.support import KEY, START_TIMEOUT_S
from tests.support.web import browse, get, post

JSON = dict[str, Any]
T = TypeVar("T")

PAUSE_S = 0.02


class Human:
    """One user of an API; what they are asked, and what they decide."""

    def __init__(self, api_url: str, user: str, key: str = KEY) -> None:
        # What a gate needs to ask them, and what `install` does.
        self.variables = {
            "LOOPIN_API_URL": api_url,
            "LOOPIN_API_KEY": key,
            "LOOPIN_USER_ID": user,
        }
        self.options = ("--url", api_url, "--key", key, "--user", user)
        self._headers = {"X-API-Key": key}
        self._url = api_url
        self._pending = f"{api_url}/interrupts/pending/{user}"

    @property
    def questions(self) -> list[JSON]:
        """What waits for their decision."""
        found: list[JSON] = get(self._pending, headers=self._headers).json()
        return found

    def question(self) -> JSON:
        """The only question that waits, once there is one."""
        [asked] = until(lambda: self.questions)
        return asked

    def status(self, asked: JSON) -> JSON:
        """What became of a question."""
        url = f"{self._url}/interrupts/{asked['interruptId']}"
        found: JSON = get(url, headers=self._headers).json()
        return found

    def decides(self, decision: str, asked: JSON | None = None, **more: object) -> JSON:
        """Decide a question by REST, or the only one that waits."""
        asked = asked or self.question()
        url = f"{self._url}/interrupts/{asked['interruptId']}/decide"
        body = {"decision": decision, **more}
        assert post(url, json=body, headers=self._headers).status_code == 200
        return asked

    def decides_on_the_page(self, decision: str, **more: str) -> JSON:
        """Decide the only question that waits with the form of its review page."""
        asked = self.question()
        with browse() as browser:
            page = browser.get(asked["reviewUrl"])
            hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)
            answer = browser.post(
                str(page.url), data={**dict(hidden), "decision": decision, **more}
            )
        assert answer.status_code == 200, answer.text
        return asked


def until(found: Callable[[], T | None]) -> T:
    """Wait until there is something to find."""
    end = time.monotonic() + START_TIMEOUT_S
    while not (it := found()):
        assert time.monotonic() < end, "Nothing was found in time"
        time.sleep(PAUSE_S)
    return it
