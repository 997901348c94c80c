"""Sends messages with Apprise, from the extra `notify`; no other file imports it.

Any part of an Apprise URL may be a secret, so no part of one leaves this file.
"""

import contextlib
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.version import HOME_PAGE, how_to_add

if TYPE_CHECKING:
    from apprise import NotifyBase

# How long a service may be silent before a message counts as not sent.
SILENCE_S = 8.0

_CODE_SPAN = re.compile(r"(`[^`\n]+`)")
_STATUS = re.compile(r"\berror=(\d{3})\b")
# Libraries that log messages and destinations, some of them with the whole URL.
_TALKATIVE = ("apprise", "urllib3", "requests_oauthlib", "paho", "pika", "slixmpp", "smpplib")


@dataclass(frozen=True)
class Message:
    """A message to a human; the link goes on a line of its own below the text."""

    title: str
    text: str
    link: str | None = None
    urgent: bool = False


class Service:
    """Sends to one Apprise URL, one message at a time."""

    def __init__(self, plugin: "NotifyBase") -> None:
        self.name = str(plugin.service_name)
        self._plugin = plugin
        plugin.socket_read_timeout = min(plugin.socket_read_timeout, SILENCE_S)
        plugin.socket_connect_timeout = min(plugin.socket_connect_timeout, SILENCE_S)

    def send(self, message: Message) -> str | None:
        """Send a message, which blocks; returns what went wrong, or None."""
        from apprise import NotifyType

        kind = NotifyType.WARNING if message.urgent else NotifyType.INFO
        # A plugin's exception may quote the URL.
        with _discretion.kept() as statuses, contextlib.suppress(Exception):
            if self._plugin.notify(title=message.title, notify_type=kind, **self._body(message)):
                return None
        if statuses:
            return f"it answered {statuses[-1]}"
        return "it refused the message or cannot be reached"

    def _body(self, message: Message) -> dict[str, object]:
        """The text and its format, from which the plugin escapes its service's markup."""
        from apprise import NotifyFormat
        from apprise.conversion import text_to_markdown

        text, plain = message.text, NotifyFormat.TEXT
        if message.link is None:
            return {"body": text, "body_format": plain}
        if self._plugin.resolve_format(plain) is not NotifyFormat.MARKDOWN:
            return {"body": f"{text}\n{message.link}", "body_format": plain}
        # Apprise would escape the link too, which breaks it. Code spans need no escaping: services
        # ignore mentions in them.
        parts = _CODE_SPAN.split(text)
        parts[::2] = map(text_to_markdown, parts[::2])
        body = f"{''.join(parts)}\n<{message.link}>"
        return {"body": body, "body_format": NotifyFormat.MARKDOWN}


def load_services(variable: str, number: int, url: str, copies: int) -> list[Service]:
    """`copies` equal services for one entry of a variable, one for each thread.

    Raises:
        ConfigurationError: The extra is missing, or the entry cannot be used.
    """
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError:
        raise ConfigurationError(
            f"{variable}: entry {number} needs the extra `notify`. {how_to_add('notify')}"
        ) from None
    # A redirect would give the review link to another host.
    asset = AppriseAsset(
        app_id="LoopIn", app_desc="LoopIn", app_url=HOME_PAGE, http_redirects=False
    )
    services: list[Service] = []
    # A plugin may raise any exception at a strange URL, and quote the URL.
    with _discretion.kept(), contextlib.suppress(Exception):
        plugins = [Apprise.instantiate(url, asset) for _ in range(copies)]
        services = [Service(plugin) for plugin in plugins if plugin is not None]
    if len(services) < copies:
        raise ConfigurationError(
            f"{variable}: entry {number} is not a valid Apprise URL, or needs a package that is "
            "not installed. https://appriseit.com/services/ lists the URLs. Correct it and run "
            "`loopin-mcp notify`."
        )
    return services


class _Discretion(logging.Filter):
    """Drops the log records of libraries in threads that use Apprise here."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.local()

    @contextlib.contextmanager
    def kept(self) -> Iterator[list[str]]:
        """Drop such records of this thread until the block ends; yields their HTTP statuses."""
        for name in tuple(logging.root.manager.loggerDict):
            if name.partition(".")[0] in _TALKATIVE:
                logging.getLogger(name).addFilter(self)
        self._thread.statuses = statuses = list[str]()
        try:
            yield statuses
        finally:
            del self._thread.statuses

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record comes from another thread."""
        statuses: list[str] | None = getattr(self._thread, "statuses", None)
        if statuses is not None and (found := _STATUS.search(record.getMessage())):
            statuses.append(found[1])
        return statuses is None


_discretion = _Discretion()
