"""Notifications in a browser: the worker, the states of permission, open tabs, and the icon."""

import json
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.support import web
from tests.support.looks import look_at
from tests.support.push import Device

OpenTab = Callable[..., Page]
Ask = Callable[..., str]

# Chromium's headless shell denies it, whatever the context grants.
GRANTED = """
  Object.defineProperty(Notification, "permission", { get: () => "granted", configurable: true });
  Notification.requestPermission = async () => "granted";
"""
# No push service can be reached, so this stands for it. All else is the browser's own.
PUSH_SERVICE = """
  const form = %s;
  const kept = () => localStorage.getItem("subscribed") && subscription(
    Uint8Array.from(JSON.parse(localStorage.getItem("subscribed"))));
  const subscription = (key) => ({
    endpoint: form.endpoint,
    options: { applicationServerKey: key.buffer },
    toJSON: () => ({ endpoint: form.endpoint, keys: { p256dh: form.p256dh, auth: form.auth } }),
    unsubscribe: async () => localStorage.removeItem("subscribed"),
  });
  PushManager.prototype.getSubscription = async () => kept() || null;
  PushManager.prototype.subscribe = async ({ applicationServerKey: key }) => {
    localStorage.setItem("subscribed", JSON.stringify([...key]));
    return kept();
  };
"""
# What a page shows is noted, and nobody looks at it.
NOTED = """
  window.noted = [];
  window.Notification = class extends EventTarget {
    static permission = "granted";
    static requestPermission = async () => "granted";
    constructor(title, settings) { super(); window.noted.push([title, settings]); }
  };
  document.hasFocus = () => false;
"""


def prepare(tab: Page, *scripts: str) -> Page:
    """The page of notifications, once more, with these scripts before its own."""
    for script in scripts:
        tab.add_init_script(script)
    tab.goto(f"{tab.url.rstrip('/')}/notifications")
    return tab


def until(tab: Page, condition: str) -> None:
    """Wait for a condition on a page whose policy forbids `wait_for_function`."""
    tab.evaluate(f"""async () => {{
      while (!({condition})) await new Promise((resolve) => setTimeout(resolve, 50));
    }}""")


def test_device_is_turned_on_and_removed(served: str, open_tab: OpenTab) -> None:
    device = Device("https://8.8.8.8/push").form
    tab = prepare(open_tab(served), GRANTED, PUSH_SERVICE % json.dumps(device))

    tab.get_by_role("button", name="Turn on notifications").click()

    expect(tab.get_by_text("On. This device gets")).to_be_visible()
    expect(tab.get_by_role("button", name="Turn on notifications")).to_be_hidden()
    row = tab.locator(".devices li")
    expect(row).to_contain_text("this device")
    look_at(tab, "notifications-on")
    # The worker is installed for a path without pages, and controls none.
    scope = "loopin.notify.registered().then(({ scope, active }) => [scope, active.state])"
    assert tab.evaluate(scope) == [f"{served}/sw/", "activated"]
    tab.reload()
    assert tab.evaluate("navigator.serviceWorker.controller") is None

    row.get_by_role("button", name="Remove").click()

    expect(tab.get_by_text("Removed.")).to_be_visible()
    expect(tab.get_by_role("button", name="Turn on notifications")).to_be_visible()


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("Object.defineProperty(Notification, 'permission', {get: () => 'denied'})", "blocks"),
        ("Object.defineProperty(window, 'isSecureContext', {get: () => false})", "HTTPS"),
        ("delete window.Notification", "does not support"),
        (
            "delete window.Notification; Object.defineProperty(navigator, 'userAgent', "
            "{get: () => 'iPhone'})",
            "home screen",
        ),
        ("delete window.PushManager", "does not support"),
        (
            "PushManager.prototype.subscribe = async () => { throw new Error('No service.'); }",
            "No service.",
        ),
    ],
)
def test_page_says_what_it_needs_and_what_to_do(
    served: str, open_tab: OpenTab, before: str, words: str
) -> None:
    tab = prepare(open_tab(served), GRANTED, before)

    button = tab.get_by_role("button", name="Turn on notifications")
    if "subscribe" in before:
        button.click()
    else:
        expect(button).to_be_hidden()

    expect(tab.locator("#push [data-state]:visible")).to_contain_text(words)
    expect(tab.locator("#push [data-state]:visible")).to_have_count(1)


def test_one_of_the_open_tabs_tells_of_new_requests_and_the_icon_counts_them(
    served: str, open_tab: OpenTab, ask: Ask
) -> None:
    tab = prepare(open_tab(served), NOTED)
    expect(tab.get_by_label("Show a notification")).not_to_be_checked()
    expect(tab.get_by_label("Play a sound")).not_to_be_checked()
    with tab.expect_response(lambda got: "/notifications/waiting" in got.url):
        tab.get_by_label("Show a notification").check()
    inbox = tab.context.new_page()
    inbox.add_init_script(NOTED)
    inbox.goto(served)

    link = ask(action="Pay \u202e4200", urgency="high")

    until(tab, "noted.length === 1")
    [[title, settings]] = tab.evaluate("noted")
    assert title == "Approval needed, high urgency"
    assert settings["body"] == "Pay ［U+202E］4200\nbilling-agent"
    assert settings["tag"] == link.rpartition("/")[2]
    expect(inbox).to_have_title(re.compile(r"^\(\d+\) Inbox"))
    count = inbox.title().partition(")")[0].removeprefix("(")
    icon = inbox.locator('link[rel="icon"]')
    expect(icon).to_have_attribute("href", f"/favicon/{count}")
    assert inbox.evaluate("noted") == []
    tab.reload()
    expect(tab.get_by_label("Show a notification")).to_be_checked()


# Runs the worker's text with stand-ins for what only workers have.
RUN_WORKER = """async ([text, scope, event, pages]) => {
  const done = [], heard = {}, note = (...what) => done.push(what);
  const registration = {
    scope,
    showNotification: async (title, { body, tag, data }) => note("show", title, body, tag, data),
    unregister: async () => note("unregister"),
  };
  const shown = pages.map((url) => ({
    url, focus: async () => note("focus", url), navigate: (to) => note("navigate", to),
  }));
  const clients = {
    matchAll: async () => shown, claim: async () => note("claim"),
    openWindow: async (url) => note("open", url),
  };
  const listen = (name, act) => { heard[name] = act; };
  new Function("location", "registration", "clients", "addEventListener", "skipWaiting", text)(
    "http://127.0.0.1:3002/loopin/sw.js", registration, clients, listen, () => note("skip"));
  let whole = null;
  heard[event.name]({
    data: { json: () => event.data }, waitUntil: (promise) => { whole = promise; },
    notification: { close: () => note("close"), data: event.data },
  });
  await whole;
  return done;
}"""
HOME = "http://127.0.0.1:3002/loopin/"
PLACE = f"~{'p' * 43}/"


@pytest.mark.parametrize(
    ("event", "scope", "pages", "done"),
    [
        (
            {"name": "push", "data": {"id": "1", "title": "T", "action": "A", "urgency": "high"}},
            "sw/",
            [],
            [["show", "T, high urgency", "A", "1", {"link": None}]],
        ),
        (
            {"name": "push", "data": {"id": "1", "title": "T", "action": "A", "agent": "g"}},
            "sw/",
            [],
            [["show", "T", "A\ng", "1", {"link": None}]],
        ),
        (
            {"name": "notificationclick", "data": {"link": f"{HOME}review/1"}},
            "sw/",
            [f"{HOME}{PLACE}", f"{HOME}{PLACE}review/1"],
            [["close"], ["focus", f"{HOME}{PLACE}review/1"]],
        ),
        (
            {"name": "notificationclick", "data": {"link": "https://elsewhere/loopin/review/1"}},
            "sw/",
            [f"{HOME}{PLACE}review/2"],
            [["close"], ["open", f"{HOME}review/1"]],
        ),
        ({"name": "install"}, "sw/", [], [["skip"]]),
        ({"name": "activate"}, "sw/", [HOME], []),
        (
            {"name": "activate"},
            "",
            [HOME],
            [["claim"], ["unregister"], ["navigate", HOME]],
        ),
    ],
)
def test_worker_shows_pushes_opens_requests_and_leaves_the_pages_alone(
    served: str,
    open_tab: OpenTab,
    event: dict[str, object],
    scope: str,
    pages: list[str],
    done: list[list[object]],
) -> None:
    text = web.get(f"{served}/sw.js").text

    tab = open_tab("about:blank")

    assert tab.evaluate(RUN_WORKER, [text, HOME + scope, event, pages]) == done


def test_page_is_readable_before_anything_is_turned_on(served: str, open_tab: OpenTab) -> None:
    look_at(prepare(open_tab(served)), "notifications")


def test_devices_are_shown_without_script(served: str, open_tab: OpenTab) -> None:
    tab = open_tab(f"{served}/notifications", java_script_enabled=False)

    expect(tab.get_by_text("enable JavaScript")).to_be_visible()
    assert urlsplit(tab.url).path == "/notifications"
