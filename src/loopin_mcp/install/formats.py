"""The formats of configuration files: how each is read and edited."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install import jsonc
from loopin_mcp.install.jsonc import JSON, Keys

Object = dict[str, JSON]


@dataclass(frozen=True)
class Format:
    """How a text is read as an object, and edited; `show` writes an object as a new text."""

    read: Callable[[str], Object]
    put: Callable[[str, Keys, JSON], str]
    drop: Callable[[str, Keys], str]
    show: Callable[[Object], str]


def format_of(path: Path) -> Format:
    """The format of a file, by its name."""
    return _TOML if path.suffix == ".toml" else _JSON


def object_at(value: JSON, *keys: str) -> Object:
    """The object in this place, or an empty one."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _read_json(text: str) -> Object:
    value = jsonc.parse(_with_object(text)).value
    if not isinstance(value, dict):
        raise ConfigurationError("not an object")
    return value


def _put_json(text: str, keys: Keys, value: JSON) -> str:
    return jsonc.put(_with_object(text), keys, value)


def _show_json(value: Object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _with_object(text: str) -> str:
    """The text; a text of blanks and comments gets an empty object."""
    return f"{text}{{}}\n" if jsonc.is_blank(text) else text


def _read_toml(text: str) -> Object:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"not valid TOML: {error}") from error


def _put_toml(text: str, keys: Keys, value: JSON) -> str:
    # Only Codex needs it.
    from loopin_mcp.install import tomls

    return tomls.put(text, keys, value)


def _drop_toml(text: str, keys: Keys) -> str:
    from loopin_mcp.install import tomls

    return tomls.drop(text, keys)


def _show_toml(value: Object) -> str:
    from loopin_mcp.install import tomls

    return tomls.show(value)


_JSON = Format(_read_json, _put_json, jsonc.drop, _show_json)
_TOML = Format(_read_toml, _put_toml, _drop_toml, _show_toml)
