"""Values that nothing has filled in, or that came with their quotes."""

import pytest

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings
from tests.support import load_everywhere

PLACEHOLDER = "holds a placeholder that nothing has filled in: write the value itself."
QUOTES = "is in quotes, which would count as part of it: take them out."
WHOLE = [
    *("${NAME}", "${env:NAME}", "${NAME:-x}", "${{ secrets.NAME }}", "{{name}}", "{{ a.b }}"),
    *("$(pass loopin)", "$NAME", "$env:NAME", "%NAME%", "{NAME}", "<your-value>"),
]
SECRETS = ["LOOPIN_API_KEY", "LOOPIN_NOTIFY", "LOOPIN_REVIEWER_KEYS", "LOOPIN_CALLBACK_SECRET"]
OTHERS = ["LOOPIN_USER_ID", "LOOPIN_DATA_DIR", "LOOPIN_API_URL", "LOOPIN_PORT", "LOOPIN_CONFIRM"]


def fault_of(variable: str, value: str) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        load_everywhere({variable: value})
    return str(refusal.value)


@pytest.mark.parametrize("variable", [*SECRETS, *OTHERS])
@pytest.mark.parametrize("value", WHOLE)
def test_placeholder_is_refused_by_the_name_of_its_variable(variable: str, value: str) -> None:
    assert fault_of(variable, value) == f"{variable} {PLACEHOLDER}"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOOPIN_DATA_DIR", "${HOME}/.loopin"),
        ("LOOPIN_DATA_DIR", "/srv/$user/loopin"),
        ("LOOPIN_DATA_DIR", "/home/a-${USER}/loopin"),
        ("LOOPIN_DATA_DIR", r"%LOCALAPPDATA%\loopin"),
        ("LOOPIN_DATA_DIR", r"$env:APPDATA\loopin"),
        ("LOOPIN_USER_ID", "$user"),
        ("LOOPIN_USER_ID", "human-${USER}"),
        ("LOOPIN_API_URL", "https://${HOST}/loopin"),
        ("LOOPIN_API_URL", "https://$HOST:3002"),
        ("LOOPIN_API_URL", "https://loopin.test/{{path}}"),
        ("LOOPIN_TOOLS", "create_interrupt,$MORE"),
        ("LOOPIN_NOTIFY", "tgram://${TOKEN}/12"),
        ("LOOPIN_DATABASE_URL", "postgresql://loopin:${PASSWORD}@db.test/loopin"),
        ("LOOPIN_DATABASE_URL", "sqlite:////home/$USER/loopin.db"),
    ],
)
def test_part_that_is_a_placeholder_is_refused(variable: str, value: str) -> None:
    assert fault_of(variable, value) == f"{variable} {PLACEHOLDER}"


def test_reviewer_key_that_is_a_placeholder_is_refused_though_it_is_long_enough() -> None:
    entry = "alice=${LOOPIN_REVIEWER_KEY_OF_ALICE_IN_PRODUCTION}"

    assert fault_of("LOOPIN_REVIEWER_KEYS", entry) == (
        f"LOOPIN_REVIEWER_KEYS: the key of alice {PLACEHOLDER}"
    )


@pytest.mark.parametrize("variable", [*SECRETS, *OTHERS])
@pytest.mark.parametrize("marks", ['""', "''", "``", "“”", "„“", "‘’", "«»"])
def test_value_in_quotes_is_refused_by_the_name_of_its_variable(variable: str, marks: str) -> None:
    assert fault_of(variable, f"{marks[0]}x{marks[1]}") == f"{variable} {QUOTES}"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOOPIN_API_KEY", "pa$$word-with-$-and-%-and-{x}"),
        ("LOOPIN_API_KEY", "$ecret"),
        ("LOOPIN_API_KEY", 'one"quote'),
        ("LOOPIN_NOTIFY", "json://user:pa$s%24@chat.test/?-x={y}"),
        ("LOOPIN_USER_ID", 'Ann "Q" Miller'),
        ("LOOPIN_USER_ID", "o'brien$"),
        ("LOOPIN_USER_ID", "'"),
        ("LOOPIN_API_URL", "https://loopin.test/a%20b%C3%BC"),
        ("LOOPIN_DATA_DIR", "/srv/a$b/100%/{x y}"),
    ],
)
def test_value_that_only_looks_a_little_like_one_is_taken(variable: str, value: str) -> None:
    Settings.load({variable: value})
