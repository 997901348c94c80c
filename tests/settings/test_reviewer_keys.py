"""REVIEWER_KEYS: one key for each reviewer, and no misleading names."""

import pytest

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings

ALICE = "alices-key-that-is-long-enough-0001"
BOB = "bobs-key-that-is-long-enough-000002"
MAKE_ONE = " python3 -c 'import secrets; print(secrets.token_urlsafe(32))' makes one."
NOT_WRITTEN = "entry 2 must be name=key."
TAKEN = "is a name that the API uses itself: choose another."
TWICE = "appears twice: give each reviewer a different name."
SHORT = f"needs a key of 32 characters or more.{MAKE_ONE}"
SHARED = f"has the key of another reviewer: give them a key of their own.{MAKE_ONE}"
MARKED = "has a key with {} in it: separate reviewers by commas, without quotes."
BAD_NAME = "needs a name of at most 100 printable characters."


def load(value: str, **environment: str) -> Settings:
    return Settings.load({"REVIEWER_KEYS": value, **environment}, "api")


def test_reviewers_are_read_with_their_keys() -> None:
    settings = load(f" alice={ALICE} , Bob B. ={BOB}==, 李=  {ALICE}{BOB},")

    assert settings.reviewer_keys == {
        "alice": ALICE,
        "Bob B.": f"{BOB}==",
        "李": f"{ALICE}{BOB}",
    }
    assert ALICE not in repr(settings)


@pytest.mark.parametrize(
    ("entry", "refusal"),
    [
        (BOB, NOT_WRITTEN),
        (f"{BOB[:20]}==", NOT_WRITTEN),
        (f"={BOB}", NOT_WRITTEN),
        ("bob=", NOT_WRITTEN),
        (f"bob={BOB};carol={BOB}x", f"bob {MARKED.format(';')}"),
        (f'bob="{BOB}"', f"bob {MARKED.format(chr(34))}"),
        (f"bob={BOB[:31]}", f"bob {SHORT}"),
        (f"{BOB}=bob", f"entry 2 {SHORT}"),
        (f"bob={BOB} x", "the key of bob must be printable ASCII without spaces or line breaks: "),
        (f"bob={BOB}é", "the key of bob must be printable ASCII without spaces or line breaks: "),
        (f"bob={ALICE}", f"bob {SHARED}"),
        (f"alice={BOB}", f"alice {TWICE}"),
        (f"ALICE={BOB}", f"ALICE {TWICE}"),
        (f"ａｌｉｃｅ={BOB}", f"ａｌｉｃｅ {TWICE}"),
        (f"{'b' * 101}={BOB}", f"entry 2 {BAD_NAME}"),
        (f"b\x1bob={BOB}", f"entry 2 {BAD_NAME}"),
        (f"bob\u202e={BOB}", f"entry 2 {BAD_NAME}"),
    ],
)
def test_entry_that_cannot_be_used_is_refused_without_its_key(entry: str, refusal: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(f"alice={ALICE},{entry}")

    assert str(error.value).startswith(f"REVIEWER_KEYS: {refusal}")
    assert BOB[:20] not in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        *("api-key", "API key", "api_key", "ApiKey", "review-link", "Review Link"),
        *("anonymous", "Anonymous", "loopin", "LoopIn", "system", "inbox", "mcp", "api"),
        "review-page",
    ],
)
def test_reviewer_cannot_go_by_what_the_api_calls_others(name: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(f"{name}={ALICE}")

    assert str(error.value) == f"REVIEWER_KEYS: {name} {TAKEN}"


def test_list_of_nobody_does_not_leave_everybody_free_to_decide() -> None:
    with pytest.raises(ConfigurationError) as error:
        load(",")

    assert str(error.value) == "REVIEWER_KEYS has no reviewers: set it to name=key,name=key."


def test_reviewer_cannot_have_the_agents_key() -> None:
    with pytest.raises(ConfigurationError) as error:
        load(f"alice={ALICE},bob={BOB}", API_KEY_SECRET=BOB)

    assert str(error.value) == (
        "REVIEWER_KEYS: bob has the agents' key, API_KEY_SECRET: give them a key of their own."
        f"{MAKE_ONE}"
    )
