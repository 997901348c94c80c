"""Random JSON is stored unchanged or refused, and never causes a 500."""

import importlib.util
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote, quote_from_bytes, urlencode

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from tests.support import PUBLIC_URL, Clock, api_client, missing
from tests.support.examples import AS_FOUND
from tests.support.questions import NEW

# FUZZ=100 tries a hundred times as many examples, and different ones each time.
FUZZ = int(os.environ.get("FUZZ", "1"))
ANYTHING = settings(
    AS_FOUND if FUZZ == 1 else settings(), max_examples=30 * FUZZ, derandomize=FUZZ == 1
)
pytestmark = pytest.mark.timeout(120 * FUZZ)
TEXT = st.text(st.characters(codec="utf-8"))
ODD_NUMBERS = ["-0", "-0.0", "1e22", "1E-400", "0." + "1" * 400, "9" * 19, "-" + "9" * 4300]
NUMBERS = st.sampled_from(ODD_NUMBERS) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
TEXTS = TEXT.map(json.dumps) | st.sampled_from([r'"\u0000"', '"\u202e\u200b"', r'"\ud83d\ude00"'])
NO_VALUES = [
    "NaN",
    "-Infinity",
    "1e400",
    "9" * 4301,
    "01",
    "1.",
    "0x1",
    "nul",
    "",
    "[1,]",
    "[" * 300,
]
NO_TEXTS = [r'"\ud800"', r'"\ude00\ud83d"', '"\x00"', '"\n"', '"', r'"\x"', "a"]
NAMES = st.sampled_from(['"a"', r'"\u0061"', '"__proto__"', '""']) | TEXTS

Texts = st.SearchStrategy[str]


def arrays(values: Texts) -> Texts:
    """Arrays as texts."""
    return st.lists(values, max_size=4).map(lambda items: f"[{','.join(items)}]")


def objects(names: Texts, values: Texts) -> Texts:
    """Objects as texts, which may repeat names."""
    members = st.lists(st.tuples(names, values).map(":".join), max_size=4)
    return members.map(lambda pairs: f"{{{','.join(pairs)}}}")


VALUES = st.recursive(
    NUMBERS | TEXTS | st.sampled_from(["null", "true", "{}", "[" * 50 + "]" * 50]),
    lambda parts: arrays(parts) | objects(NAMES, parts),
    max_leaves=8,
)
ODD = VALUES | st.sampled_from(NO_VALUES + NO_TEXTS)


def bodies(valid: Mapping[str, object]) -> st.SearchStrategy[bytes]:
    """A valid body with other values of the same or any kind, or an invalid one."""
    given = {json.dumps(name): json.dumps(value) for name, value in valid.items()}
    kinds = {"{": objects(TEXTS, VALUES), '"': TEXTS}
    fitting = {name: st.just(value) | kinds[value[0]] for name, value in given.items()}
    changes = st.dictionaries(st.sampled_from([*given]) | NAMES, ODD | objects(NAMES, ODD))
    fields = st.fixed_dictionaries(fitting) | changes.map(lambda some: given | some)
    texts = fields.map(lambda all_: f"{{{','.join(map(':'.join, all_.items()))}}}")
    sent = texts.map(str.encode)
    spoilt = st.tuples(sent, st.integers(0, 100), st.binary(max_size=3)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
    )
    encodings = st.sampled_from(["utf-16", "utf-32", "utf-8-sig"])
    encoded = st.tuples(texts, encodings).map(lambda parts: parts[0].encode(parts[1]))
    return sent | sent | spoilt | encoded


class Ticking(Clock):
    """A clock that never gives the same time twice."""

    def __call__(self) -> int:
        self.advance(0.001)
        return self.now


class Asked:
    """An API, called from outside its event loop."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self._portal = portal
        self._client = client
        self._count = 0

    def post(self, path: str, body: bytes, media_type: str = "application/json") -> httpx.Response:
        headers = {"Content-Type": media_type}
        return self._portal.call(partial(self._client.post, path, content=body, headers=headers))

    def create(self) -> str:
        """The id of a new interrupt, for a new user."""
        self._count += 1
        body = json.dumps(NEW | {"userId": f"user {self._count}"}).encode()
        return str(self.post("/interrupts", body).json()["interruptId"])

    def get(self, path: str) -> httpx.Response:
        return self._portal.call(self._client.get, path)


@asynccontextmanager
async def client_of(kind: str, place: str) -> AsyncIterator[httpx.AsyncClient]:
    database: Database
    if kind == "sqlite":
        database = await open_sqlite(Path(place))
    else:
        from loopin_mcp.api.store.opening import open_postgresql

        database = await open_postgresql(place)
    async with api_client(Store(database, PUBLIC_URL, Ticking()), rate_limit=10**9) as client:
        yield client
    await database.aclose()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    place = str(tmp_path_factory.mktemp("fuzz") / "api.db")
    if request.param == "postgresql":
        place = database_of_its_own(request.getfixturevalue("postgres_url"))
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(client_of(request.param, place)) as client,
    ):
        yield Asked(portal, client)


def database_of_its_own(url: str) -> str:
    if importlib.util.find_spec("psycopg") is None:
        missing("psycopg")
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS fuzz")
        connection.execute("CREATE DATABASE fuzz")
    return url.replace("/postgres?", "/fuzz?")


def exact(value: object) -> str:
    """A text that differs for different values, also for 1, 1.0 and true."""
    return json.dumps(value)


@ANYTHING
@given(body=bodies(NEW))
@example(body=b'{"agentId":"a","userId":"u","action":"\xed\xa0\x80","context":{}}')
@example(body=b"[" * 100_000)
@example(body=b'{"agentId":"a","agentId":"b","userId":"u","action":"Pay","context":{}}')
def test_new_interrupt_is_stored_as_it_was_sent_or_refused(api: Asked, body: bytes) -> None:
    answer = api.post("/interrupts", body)

    assert answer.status_code in (201, 400)
    if answer.status_code == 400:
        assert list(answer.json()) == ["error"]
        return
    sent, path = json.loads(body), answer.json()["reviewUrl"].removeprefix(PUBLIC_URL)
    read = api.get(path.replace("/review/", "/interrupts/")).json()
    assert exact({name: read[name] for name in NEW}) == exact({name: sent[name] for name in NEW})
    assert api.get(path).status_code == 200
    listed = api.get(f"/interrupts/pending/{quote(sent['userId'], safe='')}?limit=1").json()
    assert exact(listed[0]["context"]) == exact(sent["context"])


DECISION = {"decision": "approved", "reason": "ok", "modifiedParams": {"amount": 2}}


@ANYTHING
@given(body=bodies(DECISION))
def test_decision_is_stored_as_it_was_sent_or_refused(api: Asked, body: bytes) -> None:
    interrupt_id = api.create()
    path = f"/interrupts/{interrupt_id}"

    answer = api.post(f"{path}/decide", body)

    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert list(answer.json()) == ["error"]
        assert api.get(path).json()["status"] == "pending"
        return
    sent, read = json.loads(body), api.get(path).json()
    for name in DECISION:
        assert exact(read.get(name)) == exact(sent.get(name))
    assert api.get(f"/review/{interrupt_id}").status_code == 200


@ANYTHING
@given(
    fields=st.dictionaries(
        st.sampled_from(["decision", "reason", "modifiedParams"]) | st.text(max_size=3),
        st.just("approved") | ODD | TEXT,
    ),
    spoilt=st.binary(max_size=5),
)
def test_form_is_stored_as_it_was_sent_or_shown_again(
    api: Asked, fields: dict[str, str], spoilt: bytes
) -> None:
    path = f"/review/{api.create()}"
    form = urlencode(fields, errors="replace").encode() + spoilt

    answer = api.post(path, form, "application/x-www-form-urlencoded")

    assert answer.status_code in (303, 400)
    assert answer.headers.get("content-type", "text/html").startswith("text/html")
    assert api.get(path).status_code == 200
    read = api.get(path.replace("/review/", "/interrupts/")).json()
    if answer.status_code == 303 and not spoilt and fields.get("reason", "").strip():
        assert read["reason"] == fields["reason"].replace("\r\n", "\n")


@ANYTHING
@given(segment=st.binary(max_size=30).map(quote_from_bytes), query=st.text(max_size=20))
def test_odd_path_or_query_is_answered(api: Asked, segment: str, query: str) -> None:
    for folder in (
        "interrupts/",
        "interrupts/pending/",
        "analytics/",
        "review/",
        "inbox/",
        "",
        "sign-in/",
    ):
        asked = quote(query, safe="=&%+", errors="replace")
        answer = api.get(f"/{folder}{segment}?{asked}")

        assert answer.status_code in (200, 303, 400, 404, 405)
