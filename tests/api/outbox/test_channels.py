"""The channels in LOOPIN_NOTIFY and LOOPIN_NOTIFY_HIGH, and errors about unusable ones."""

import logging
import sys

import pytest

from loopin_mcp.api.outbox.channels import load_channels
from loopin_mcp.errors import ConfigurationError
from tests.support.receiver import SECRETS, channels_to

SECRET_URL = "json://user-marker:password-marker@127.0.0.1/path-marker?-key=query-marker"


def test_without_either_setting_there_is_nowhere_to_tell() -> None:
    assert load_channels(None, None) is None


@pytest.mark.parametrize("separator", [" ", ",", ", ", ";", "\n", ",\n  "])
def test_entries_are_told_apart_by_what_people_put_between_them(separator: str) -> None:
    urls = [
        "json://127.0.0.1/a,b?x=1;2",
        "xml://127.0.0.1/",
        "tgram://123456789:abcdefg_hijklmnop/1",
    ]

    channels = channels_to(separator.join([*urls, ""]), high="form://127.0.0.1")

    assert [channel.label for channel in channels.all] == [
        "entry 1 of LOOPIN_NOTIFY (JSON)",
        "entry 2 of LOOPIN_NOTIFY (XML)",
        "entry 3 of LOOPIN_NOTIFY (Telegram)",
        "entry 1 of LOOPIN_NOTIFY_HIGH (Form)",
    ]


def test_digest_of_a_place_is_always_the_same_and_tells_nothing() -> None:
    [first] = channels_to(SECRET_URL).ordinary
    [again] = channels_to(SECRET_URL).ordinary
    [other] = channels_to(f"{SECRET_URL}2").ordinary

    assert first.digest == again.digest != other.digest
    assert not [secret for secret in SECRETS if secret in first.digest + first.label]


@pytest.mark.parametrize(
    "entry",
    [
        "path-marker",
        "nonsense://user-marker:password-marker@path-marker",
        "json://",
        "https://query-marker.test/path-marker",
        "macosx://[::1:password-marker",
        "tgram://path-marker",
        "json://path-marker/?method=query-marker",
        "sfr://path-marker/\udcff",
    ],
)
def test_entry_that_cannot_be_used_is_named_by_its_number_alone(
    entry: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, logger="loopin_mcp")

    with pytest.raises(ConfigurationError) as refusal:
        load_channels(f"{SECRET_URL}, {entry}" if "://" in entry else entry, None)

    number = 2 if "://" in entry else 1
    assert str(refusal.value) == (
        f"LOOPIN_NOTIFY: entry {number} is not a valid Apprise URL, or needs a package that is "
        "not installed. https://appriseit.com/services/ lists the URLs. Correct it and run "
        "`loopin-mcp notify`."
    )
    assert "marker" not in "".join(capfd.readouterr())


def test_missing_extra_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)

    with pytest.raises(ConfigurationError) as refusal:
        load_channels(None, SECRET_URL)

    assert str(refusal.value) == (
        "LOOPIN_NOTIFY_HIGH: entry 1 needs the extra `notify`. Run `uv tool install "
        "'loopin-mcp[notify] @ git+https://github.com/loopin-mcp/loopin-mcp'`, or give the same to "
        "`pip install` or `uvx --from`, and start LoopIn again."
    )
