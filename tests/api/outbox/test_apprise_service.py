"""Logs of Apprise and its libraries: dropped while a message is sent, except for the status."""

import logging

import pytest

from loopin_mcp.api.outbox.apprise_service import Message, load_services
from tests.support.receiver import SECRETS, receiving

MESSAGE = Message("LoopIn: test", "path-marker")


def test_nothing_that_libraries_log_shows_though_the_host_application_logs_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "apprise")
    caplog.set_level(logging.DEBUG, "urllib3")
    with receiving(200, 403) as receiver:
        [service] = load_services("LOOPIN_NOTIFY", 1, receiver.url, 1)
        # The first import of Apprise logs its locale.
        loading = caplog.text
        caplog.clear()
        faults = [service.send(MESSAGE), service.send(MESSAGE)]
        logging.getLogger("urllib3.connectionpool").debug("of somebody else")

    assert faults == [None, "it answered 403"]
    assert [secret for secret in SECRETS if secret in loading + caplog.text] == []
    assert caplog.messages == ["of somebody else"]


def test_status_of_one_refusal_is_not_said_of_the_next() -> None:
    with receiving(403) as receiver:
        [service] = load_services("LOOPIN_NOTIFY", 1, receiver.url, 1)
        refused = service.send(MESSAGE)
    gone = service.send(MESSAGE)

    assert (refused, gone) == ("it answered 403", "it refused the message or cannot be reached")
