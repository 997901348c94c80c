"""Secrets in settings: no error shows them, and no other program gets them."""

from pathlib import Path

import pytest

from loopin_mcp import Address, ConfigurationError, LoopinClient
from loopin_mcp.api.access.keys import Keys
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.outbox.channels import load_channels
from loopin_mcp.api.store.opening import open_database
from loopin_mcp.api.store.store import Store
from loopin_mcp.settings.api_options import Options
from loopin_mcp.settings.settings import Settings
from tests.support import PUBLIC_URL, load_everywhere, new_interrupt
from tests.support.secrets import (
    AGENTS_KEY,
    ALICES_KEY,
    BOBS_KEY,
    CALLBACK_URL,
    LONG,
    MARK,
    SECRETS,
    all_of,
    shows_secret,
)

KEYS = [f"{LONG} {LONG}", f"{LONG}é", f"{LONG}\n{LONG}", f"\x07{LONG}"]
URLS = [
    f"http://{MARK}:{LONG}@loopin.test",
    f"http://user:{MARK}/{MARK}@loopin.test",
    f"http://[{MARK}",
    f"http://loopin.test:{MARK}",
    f"http://loopin.test/?key={LONG}",
    f"http://{MARK}_ \u212a/",
    f"ftp://{MARK}",
]
REVIEWERS = [
    LONG,
    f"{LONG}==",
    f"={LONG}",
    f"alice={MARK}",
    f"alice={LONG} {LONG}",
    f"alice:{LONG}",
    f"alice {LONG}",
    f"alice={LONG},{LONG}",
    f"alice={ALICES_KEY},alice={BOBS_KEY}",
    f"alice={ALICES_KEY},bob={ALICES_KEY}",
    f"api-key={LONG}",
    f'{{"alice": "{LONG}"}}',
]
SIGNING = [MARK, f"whsec_{MARK}", f"whsec_{LONG}!", f"whsec_{MARK * 50}", LONG, f"whsec_{LONG}é"]
DATABASES = [
    f"mysql://loopin:{LONG}@db.test/loopin",
    f"postgresql://loopin:{LONG}@127.0.0.1:1/loopin",
    f"postgresql://loopin:{MARK}@{MARK}@127.0.0.1:1/loopin",
    f"postgresql://loopin:{MARK}/{MARK}@127.0.0.1:1/loopin",
    f"postgresql://loopin:5432/{MARK}@127.0.0.1:1/loopin",
    f"postgresql://loopin:{MARK}%zz@127.0.0.1:1/loopin",
    f"postgresql://loopin:{MARK}%00@127.0.0.1:1/loopin",
    f"postgresql://loopin:{MARK} {MARK}@127.0.0.1:1/loopin",
    f"postgresql://loopin:{LONG}@[127.0.0.1:1/loopin",
    f"postgresql://loopin:{LONG}\udce9@127.0.0.1:1/loopin",
    f"postgresql://127.0.0.1:1/loopin?password={MARK}&{MARK}",
    f"postgresql://loopin:{LONG}@nowhere.invalid/loopin",
]
NOTIFIERS = [f"nonsense://{LONG}", f"{LONG}", f"json://{MARK}:{LONG}@[", f"slack://{MARK}"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *(("LOOPIN_API_KEY", value) for value in KEYS),
        *(("LOOPIN_API_KEY_SECRET", value) for value in KEYS),
        *(("LOOPIN_REVIEWER_KEYS", value) for value in REVIEWERS),
        *(("LOOPIN_CALLBACK_SECRET", value) for value in SIGNING),
        *(("LOOPIN_AUDIT_KEY", value) for value in (MARK, f"{MARK},{LONG}", *KEYS)),
        *(("LOOPIN_API_URL", value) for value in URLS),
        *(("LOOPIN_BASE_URL", value) for value in URLS),
    ],
)
def test_value_that_cannot_be_used_is_refused_by_name_and_not_shown(
    variable: str, value: str
) -> None:
    with pytest.raises(ConfigurationError, match=variable) as refusal:
        load_everywhere({**SECRETS, variable: value})

    assert not shows_secret(all_of(refusal.value))


@pytest.mark.parametrize("url", DATABASES)
async def test_database_that_cannot_be_used_is_told_without_its_password(
    url: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as refusal:
        await open_database(url, tmp_path)

    assert not shows_secret(all_of(refusal.value))


@pytest.mark.parametrize("value", NOTIFIERS)
def test_place_to_tell_that_cannot_be_used_is_refused_by_its_number(value: str) -> None:
    with pytest.raises(ConfigurationError, match="LOOPIN_NOTIFY: entry 1 ") as refusal:
        load_channels(value, None)

    assert not shows_secret(all_of(refusal.value))


@pytest.mark.parametrize(
    "proxy", [f"http://user:{MARK}/{MARK}@proxy.test", f"nonsense://{MARK}:{LONG}@proxy.test"]
)
def test_proxy_that_cannot_be_used_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)

    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as refusal:
        LoopinClient("https://loopin.test")

    assert not shows_secret(all_of(refusal.value))


async def test_nothing_that_holds_a_secret_shows_it(database: Database) -> None:
    settings = Settings.load(SECRETS, "api")
    options = Options.of(settings)
    new = new_interrupt(callback_url=CALLBACK_URL)
    async with LoopinClient("http://127.0.0.1:1", AGENTS_KEY) as client:
        shown = [
            *(
                settings,
                options,
                Keys(options.api_key, options.reviewers),
                Store(database, PUBLIC_URL),
                database,
                new,
            ),
            *(client, Address("http://127.0.0.1:1", AGENTS_KEY)),
        ]

    assert [item for item in shown if shows_secret(f"{item} {item!r}")] == []
