"""Refuses values that a host or a shell passed on instead of filling them in."""

import re

from loopin_mcp.errors import ConfigurationError

_FILLED_BY_NAME = r"\$\{.*\}|\{\{.*\}\}|\$\(.*\)"
_WHOLE = rf"{_FILLED_BY_NAME}|\$(?:[Ee][Nn][Vv]:)?[A-Z_]\w*|%[A-Z_]\w*%|\{{[A-Z_]\w*\}}|<.+>"
# A random key may look like a placeholder in lower case, and may contain one.
_SECRET = re.compile(_WHOLE, re.DOTALL)
_PART = re.compile(_WHOLE, re.DOTALL | re.IGNORECASE)
_ANYWHERE = re.compile(r"\$\{[^{}]*\}|\{\{.*?\}\}|\$\([^()]*\)", re.DOTALL)
_BETWEEN_PARTS = re.compile(r"[/\\:@,?&=\s]+")

_QUOTES = ('""', "''", "``", "“”", "„“", "””", "‘’", "‚‘", "’’", "«»", "»«", "‹›", "「」", "″″")


def refuse_quotes(variable: str, value: str) -> None:
    """Refuse a value that is wholly in quotes.

    Raises:
        ConfigurationError: It is.
    """
    if len(value) > 1 and value[0] + value[-1] in _QUOTES:
        raise ConfigurationError(
            f"{variable} is in quotes, which would count as part of it: take them out."
        )


def refuse_placeholder(variable: str, value: str, *, secret: bool = False) -> None:
    """Refuse `${NAME}`, `$NAME`, `%NAME%`, `{{name}}`, `<name>`, and values with such a part.

    A `secret` may have such a part, but not be one.

    Raises:
        ConfigurationError: It is a placeholder.
    """
    if secret:
        _refuse(variable, found=_SECRET.fullmatch(value) is not None)
        return
    parts = [value, *_BETWEEN_PARTS.split(value)]
    _refuse(variable, found=any(_PART.fullmatch(part) for part in parts))
    refuse_braces(variable, value)


def refuse_braces(variable: str, value: str) -> None:
    """Refuse a URL or a name with `${…}`, `{{…}}` or `$(…)` anywhere.

    Raises:
        ConfigurationError: It has one.
    """
    _refuse(variable, found=_ANYWHERE.search(value) is not None)


def _refuse(variable: str, *, found: bool) -> None:
    if found:
        raise ConfigurationError(
            f"{variable} holds a placeholder that nothing has filled in: write the value itself."
        )
