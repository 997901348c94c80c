"""What services draw of an agent's text: nothing but text, whatever their markup is."""

import json
import re
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
import requests

from loopin_mcp.api.outbox.apprise_service import load_services
from loopin_mcp.api.outbox.inert_text import inert
from loopin_mcp.api.outbox.notifications import message_of
from loopin_mcp.wire.models import Interrupt
from tests.support.receiver import receiving

LINK = "https://loopin.example.com/review/0a1b"
FORGED = (
    "Pay` [Approve](https://evil.test/a) <a href='//evil.test'>b</a> <tg-spoiler> ||c|| "
    "<https://evil.test|d> @everyone @here <!channel> <@U024BE7LH> <#C024BE7LR> <users/all> "
    "&lt;b&gt; *e* _f_ ~~g~~ :tada: \\[h](//evil.test) www.evil.test evil.test/i me@evil.test"
)
# What services would act on, also after they undid the escaping of HTML.
ACTIVE = (
    *("](", "[A", "<a", "&lt;", "<tg", "||", "<h", "://evil", "evil.", "@", "<!", "<#", "<u", "*"),
    *("_f", "~", ":tada", "\\["),
)
LINE_BREAK = re.compile(r"\r?\n|<br ?/?>")
SERVICES = {
    "Telegram": "tgram://123456789:abcdefg_hijklmnop/1",
    "Telegram, Markdown": "tgram://123456789:abcdefg_hijklmnop/1?format=markdown",
    "Teams": "workflows://host.test:443/workflow/signature",
    "Slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#c",
    "Slack, Markdown": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#c?format=markdown",
    "Slack, blocks": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#c?blocks=yes",
    "Discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "Discord, Markdown": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?format=markdown",
    "Mattermost": "mmost://localhost/3ccdd113474722377935511fc85d3dd4",
    "Matrix": "matrix://token@localhost?mode=matrix",
    "Matrix, HTML": "matrix://token@localhost?mode=matrix&format=html",
    "Matrix, Slack": "matrix://token@localhost?mode=slack",
    "Google Chat": "gchat://workspace/key/token",
    "Webex": f"webex://{'a' * 80}",
    "Zulip": f"zulip://bot@org.zulipchat.com/{'a' * 32}/stream",
    "Pushover, HTML": f"pover://{'u' * 30}@{'t' * 30}?format=html",
    "ntfy": "ntfy://localhost/topic",
    "e-mail": "mailgun://user@example.com/0123456789abcdef0123456789abcdef-00000000-00000000",
    "JSON": "json://localhost",
}


def texts_in(value: object) -> list[str]:
    """All strings of a JSON value."""
    if isinstance(value, dict | list):
        children = value.values() if isinstance(value, dict) else value
        return [text for child in children for text in texts_in(child)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("url", SERVICES.values(), ids=SERVICES)
def test_service_gets_text_that_it_draws_as_text_and_the_link_whole(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    interrupt = Interrupt(
        interrupt_id="i",
        status="pending",
        action=FORGED,
        agent_id="[a](//evil.test)",
        user_id="@here",
        expires_at=datetime(2030, 1, 1, tzinfo=UTC),
        review_url=LINK,
    )
    message = message_of(interrupt, 0, is_reminder=False)
    real = requests.Session.request
    with receiving() as receiver:
        here = f"http://127.0.0.1:{receiver.server_port}/"

        def request(session: requests.Session, method: str, url: str, **given: object) -> object:
            return real(session, method, here, **given)  # type: ignore[arg-type]

        monkeypatch.setattr(requests.Session, "request", request)
        [service] = load_services("LOOPIN_NOTIFY", 1, url, 1)
        service.send(message)
        body = receiver.take().body.decode()

    sent = (
        texts_in(json.loads(body))
        if body.startswith("{")
        else [value for values in parse_qs(body).values() for value in values]
    )
    [shown] = [text for text in sent if "Approve" in text]
    assert LINK in shown
    action, names, *_ = (line for line in LINE_BREAK.split(shown) if "`" in line)
    assert [mark for mark in ACTIVE if mark in action + names] == []
    assert not any("everyone" in text for text in sent if text is not shown)


@pytest.mark.parametrize(
    "text",
    [
        "Transfer $4,200.00 (ref. 26-117) to Müller & Sons: 2 * 3 < 7 | 5 > 4",
        "rm -rf /var/tmp/user_files C:\\Users at 10:30, #7",
    ],
)
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert inert(text) == text


def test_characters_that_services_act_on_become_wide() -> None:
    assert inert("[a](http://b.c) <i>`@d ||e|| &lt; \\[ :f:") == (
        "［a］(http：//b．c) ＜i＞｀＠d ｜｜e｜｜ ＆lt; ＼［ ：f:"
    )
