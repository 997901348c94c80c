"""Text of agents and humans on the review page, and the page's headers."""

import httpx
import pytest

from loopin_mcp.api.store.store import Store
from tests.support.page import Page, ask, decide

MARKUP = "</td></textarea><script>alert(1)</script>\"'&amp;"


@pytest.mark.parametrize("decision", ["approved", "rejected"])
async def test_markup_is_text_in_every_field(
    api: httpx.AsyncClient, sqlite_store: Store, decision: str
) -> None:
    wrote = {"agent_id": MARKUP, "user_id": MARKUP, "action": MARKUP}
    path = await ask(sqlite_store, **wrote, context={MARKUP: MARKUP, "deep": {MARKUP: 1}})
    form = {"reason": MARKUP, "modifiedParams": '{"<script>": "<script>"}'}

    pending = await api.get(path)
    undecided = await decide(api, path, **form)
    await decide(api, path, decision=decision, newKeys='["<script>"]', **form)
    decided = await api.get(path)
    late = await decide(api, path, decision=decision, **form)

    for answer in (pending, undecided, decided, late):
        page = Page(answer)
        assert set(page["script"]) == {""}
        assert page["action"] == [MARKUP]
        assert page.facts["Agent"] == page.facts["For"] == MARKUP
        assert page.rows[MARKUP] == MARKUP
    assert Page(undecided)["textarea"] == list(form.values())
    assert MARKUP in Page(decided)["p"]
    assert Page(decided)["difference-tr"][1] == "<script> added — <script>"
    assert Page(late).facts["Modified parameters"] == form["modifiedParams"]


async def test_flat_context_is_a_table_of_its_values(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    context = {
        "text": " two\n lines",
        "n": 0,
        "yes": True,
        "none": None,
        "": "",
        "blank": " \u3000",
    }
    path = await ask(sqlite_store, context=context)

    page = Page(await api.get(path))

    assert page.rows == {
        "text": " two\n lines",
        "n": "0",
        "yes": "true",
        "none": "null",
        '""': '""',
        "blank": '" U+3000"',
    }


async def test_nested_values_are_shown_by_level(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    context = {"items": [{"id": 1.5, "name": 'é "x": \\'}, []], "empty": {}, "region": "eu"}
    path = await ask(sqlite_store, context=context)

    page = Page(await api.get(path))

    assert page.rows == {
        "items": '1 2 fieldsid 1.5name é "x": \\2 []',
        "empty": "{}",
        "region": "eu",
    }


async def test_largest_context_is_shown_uncut(api: httpx.AsyncClient, sqlite_store: Store) -> None:
    deep: dict[str, object] = {"end": "of it"}
    for _ in range(30):
        deep = {"deeper": deep}
    path = await ask(sqlite_store, context={"deep": deep, "long": "x" * 60_000 + "end"})

    page = Page(await api.get(path))

    assert page.rows["long"].count("x") == 60_000
    assert page.rows["long"].endswith("end")
    assert '"end": "of it"' in page.rows["deep"]
    assert page["unopened"] == ["1 part not opened"]


async def test_empty_context_is_said_to_be_empty(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store, context={})

    page = Page(await api.get(path))

    assert "The agent gave none." in page["quiet"]
    assert page["table"] == []


async def test_characters_that_hide_are_shown_in_every_field(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(
        sqlite_store,
        action="Pay \u202e0024",
        agent_id="a\u200b",
        user_id="u\u2066",
        context={"k\u00ad": "a\x00b", "deep": ["\U000e0041"], "ok": "👩‍💻 ❤️"},
    )

    page = Page(await api.get(path))

    assert page["action"] == ["Pay U+202E0024"]
    assert page.facts["Agent"] == "aU+200B"
    assert page.facts["For"] == "uU+2066"
    assert page.rows == {"kU+00AD": "aU+0000b", "deep": "1 U+E0041", "ok": "👩‍💻 ❤️"}


async def test_every_answer_is_kept_from_frames_caches_and_other_pages(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)

    answers = [
        await api.get(path),
        await api.get("/review/unknown"),
        await decide(api, path, reason="x"),
        await decide(api, path, decision="approved"),
        await decide(api, path, decision="approved"),
        await api.post(path, headers={"Origin": "https://evil.example"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 404, 400, 303, 409, 403]
    for answer in answers:
        assert {name: answer.headers[name] for name in SECURITY} == SECURITY


SECURITY = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "script-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer, same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}


async def test_page_holds_no_inline_script_and_no_inline_style(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)

    page = Page(await api.get(path))

    tags = {str(element[""]) for element in page.attributes}
    assert tags.isdisjoint({"style", "iframe", "object", "base"})
    assert set(page["script"]) == {""}
    assert not [element for element in page.attributes if "style" in element]


async def test_style_sheet_and_icon_of_the_page_are_served_without_a_key(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)
    del api.headers["X-API-Key"]
    page = await api.get(path)
    names = [str(element["href"]) for element in Page(page).attributes if element[""] == "link"]

    served = [await api.get(str(page.url.join(name))) for name in names]

    assert {each.status_code for each in served} == {200}
    assert {each.headers["content-type"] for each in served} == {
        "text/css; charset=utf-8",
        "application/manifest+json",
        "image/svg+xml",
        "image/png",
    }
