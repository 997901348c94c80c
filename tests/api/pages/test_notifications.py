"""The page with a reviewer's devices, and the files of the installed app."""

import json

import httpx
import pytest

from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.outbox import pushes as pushes_module
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, KEY, REVIEWER, api_client, new_interrupt
from tests.support.auditing import edit
from tests.support.page import Page
from tests.support.push import Device, device_at
from tests.support.receiver import LOOPBACK, receiving
from tests.support.visitors import REVIEWERS, sign_in

ANDROID = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"
APPROVED = Decision(decision="approved")


async def add(browser: httpx.AsyncClient, device: Device, **changes: str) -> httpx.Response:
    """Send what the page's script sends once the browser has subscribed."""
    key = Page(await browser.get("/notifications")).element(id="push")["data-key"]
    form = {**device.form, "key": str(key)} | changes
    return await browser.post("/notifications", data=form, headers={"User-Agent": ANDROID})


async def send(browser: httpx.AsyncClient, verb: str, place: int = 0, **form: str) -> Page:
    """Send the form of a device; returns the page that it leads to."""
    forms = Page(await browser.get("/notifications")).attributes
    actions = [str(each["action"]) for each in forms if str(each.get("action")).endswith(verb)]
    path = actions[place].removeprefix(browser.base_url.path.rstrip("/"))
    answer = await browser.post(path, data=form, follow_redirects=True)
    assert answer.status_code == 200
    return Page(answer)


async def test_device_is_listed_tested_and_removed_without_script(
    sqlite_store: Store,
) -> None:
    with receiving(201) as receiver:
        device = device_at(receiver)
        async with api_client(
            sqlite_store, api_key=KEY, reviewers=REVIEWERS, callback_allow=LOOPBACK
        ) as alice:
            await sign_in(alice, REVIEWERS["alice"])
            assert (await add(alice, device)).status_code == 204
            tested = await send(alice, "test")
            shown = device.read(receiver.take())
            chosen = await send(alice, "choose", requests="high")
            again = await send(alice, "choose", requests="all")
            removed = await send(alice, "remove")

    assert tested["status"][0].startswith("Test sent.")
    assert tested["h3"] == ["Chrome on Android this device"]
    assert shown == {
        "id": "test",
        "title": "LoopIn test",
        "action": "It works.",
        "link": "http://127.0.0.1:3002/notifications",
    }
    assert "Gets requests of high urgency only." in chosen["p"]
    assert "Gets all requests." in again["p"]
    assert removed["status"][0].startswith("Removed.")
    assert removed["h3"] == []


@pytest.mark.parametrize(
    ("answer", "said", "left"),
    [(500, "The test was not sent.", 1), (410, "That device has turned notifications off", 0)],
)
async def test_failed_test_says_why(sqlite_store: Store, answer: int, said: str, left: int) -> None:
    with receiving(answer) as receiver:
        async with api_client(sqlite_store, callback_allow=LOOPBACK) as browser:
            await add(browser, device_at(receiver))
            page = await send(browser, "test")

    assert page["status"][0].startswith(said)
    assert len(page["h3"]) == left
    reasons = [text for text in page["failure"] if "answered" in text]
    assert len(reasons) == left
    assert all("the push service answered 500" in text for text in reasons)


async def test_device_belongs_to_who_is_signed_in(
    alice: httpx.AsyncClient, sqlite_store: Store
) -> None:
    await add(alice, Device("https://8.8.8.8/push"))
    [row] = await sqlite_store.devices.list_of("alice")

    async with api_client(sqlite_store, api_key=KEY, reviewers=REVIEWERS) as bob:
        await sign_in(bob, REVIEWERS["bob"])
        page = Page(await bob.get("/notifications"))
        refused = await bob.post(f"/notifications/{row.device_id}/remove", data={})

    assert page["h3"] == []
    assert refused.status_code == 404
    assert len(await sqlite_store.devices.list_of("alice")) == 1


@pytest.mark.parametrize("verb", ["", "/x/remove", "/x/test", "/x/choose"])
async def test_forms_need_a_session_and_are_refused_to_other_pages(
    alice: httpx.AsyncClient, stranger: httpx.AsyncClient, sqlite_store: Store, verb: str
) -> None:
    form = {**Device("https://8.8.8.8/push").form, "key": "x"}
    foreign = {"Sec-Fetch-Site": "cross-site"}

    signed_out = await stranger.post(f"/notifications{verb}", data=form)
    from_elsewhere = await alice.post(f"/notifications{verb}", data=form, headers=foreign)

    assert (signed_out.status_code, from_elsewhere.status_code) == (401, 403)
    assert await sqlite_store.devices.list_of("alice") == []


async def test_subscription_that_cannot_be_used_is_refused_with_words(
    alice: httpx.AsyncClient,
) -> None:
    refused = await add(alice, Device("http://8.8.8.8/push"))

    assert refused.status_code == 400
    assert Page(refused)["h1"] == ["Nothing was changed"]
    assert "The address of the push service cannot be used." in Page(refused)["p"]


async def test_page_leads_to_the_sign_in_and_back(stranger: httpx.AsyncClient) -> None:
    page = Page(await stranger.get("/notifications"))
    signed_in = await sign_in(stranger, REVIEWERS["alice"], next="notifications")

    assert page.element(method="post")["action"] == "/sign-in?next=notifications"
    assert signed_in.headers["location"].endswith("/notifications")


@pytest.mark.parametrize(
    ("embedded", "words"), [(True, "Only browsers on this"), (False, "Open this")]
)
async def test_page_says_which_devices_can_reach_it(
    sqlite_store: Store, words: str, *, embedded: bool
) -> None:
    async with api_client(sqlite_store, embedded=embedded) as browser:
        answer = await browser.get("/notifications")

    assert f"No device gets notifications yet. {words}" in answer.text


async def test_without_the_extra_the_page_says_how_to_install_it(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushes_module, "is_installed", lambda: False)
    async with api_client(sqlite_store) as browser:
        page = Page(await browser.get("/notifications"))
        refused = await browser.post("/notifications", data=Device("https://8.8.8.8/").form)

    source = "git+https://github.com/loopin-mcp/loopin-mcp"
    assert f"uv tool install 'loopin-mcp[notify] @ {source}'" in page["code"]
    assert refused.status_code == 404


async def test_open_page_hears_of_new_requests(store: Store, database: Database) -> None:
    earlier = await store.create_interrupt(new_interrupt(), AGENT)
    async with api_client(store) as browser:
        first = (await browser.get("/notifications/waiting")).json()
        created = await store.create_interrupt(new_interrupt(urgency="high"), AGENT)
        forged = await store.create_interrupt(new_interrupt(), AGENT)
        await edit(database, forged.interrupt_id, "UPDATE interrupts SET action = 'x' WHERE TRUE")
        await store.decide_interrupt(earlier.interrupt_id, APPROVED, REVIEWER)
        news = (await browser.get(f"/notifications/waiting?after={first['last']}")).json()

    assert (first["count"], first["new"]) == (1, [])
    assert news["count"] == 2
    assert news["last"] > first["last"]
    # Nothing is said of what was tampered with.
    [new] = news["new"]
    assert new["id"] == created.interrupt_id
    assert new["action"] == "Transfer $4,200 to vendor account ending in 9821"


async def test_news_need_a_session(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/notifications/waiting")).status_code == 401


@pytest.mark.parametrize("public_url", ["http://127.0.0.1:3002", "https://example.com/loopin"])
async def test_app_covers_all_pages_and_no_more(sqlite_store: Store, public_url: str) -> None:
    sqlite_store.public_url = public_url
    root = httpx.URL(public_url).path.rstrip("/") + "/"
    async with api_client(sqlite_store) as browser:
        browser.base_url = httpx.URL("http://127.0.0.1:3002")
        answer = await browser.get("/app.webmanifest")
        sizes = []
        for icon in answer.json()["icons"]:
            assert icon["src"].startswith(root)
            served = await browser.get(f"/{icon['src'].removeprefix(root)}")
            assert served.headers["content-type"] == icon["type"]
            width = int.from_bytes(served.content[16:20])
            sizes.append(icon["sizes"] == (f"{width}x{width}" if "png" in icon["type"] else "any"))

    assert answer.headers["content-type"] == "application/manifest+json"
    app = json.loads(answer.text)
    assert app["start_url"] == app["scope"] == app["id"] == root
    assert app["display"] == "standalone"
    assert sizes == [True] * 4


async def test_worker_handles_no_page(visitor: httpx.AsyncClient) -> None:
    script = {"Service-Worker": "script"}

    own = await visitor.get("/sw.js", headers=script)
    others = [await visitor.get(path, headers=script) for path in ("/", "/worker.js", "/~x/sw.js")]

    assert own.headers["content-type"] == "text/javascript; charset=utf-8"
    assert '"push"' in own.text
    for word in ('"fetch"', "caches", "importScripts"):
        assert word not in own.text
    assert all("unregister" in each.text and '"push"' not in each.text for each in others)


@pytest.mark.parametrize(("count", "shown"), [("1", ">1<"), ("9", ">9<"), ("10", ">9+<")])
async def test_icon_has_the_number_of_waiting_requests(
    visitor: httpx.AsyncClient, count: str, shown: str
) -> None:
    icon = await visitor.get(f"/favicon/{count}")

    assert icon.headers["content-type"] == "image/svg+xml"
    assert shown in icon.text


@pytest.mark.parametrize("count", ["0", "x", "-1", "9999999999"])
async def test_icon_takes_only_a_number(visitor: httpx.AsyncClient, count: str) -> None:
    assert (await visitor.get(f"/favicon/{count}")).status_code == 404
