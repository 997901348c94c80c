"""Reads the arguments of tools as models and hosts send them; the REST API stays strict."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import islice
from typing import Any
from urllib.parse import unquote

from loopin_mcp.errors import InvalidRequestError, LoopinError
from loopin_mcp.wire.plain_text import plain_text
from loopin_mcp.wire.validation import parse_json

_WRAPPING = " \t\r\n\"'`“”‘’<>"
# What models write for an argument that they mean to leave out.
_BLANK = ("", '""', "''")
_NOTHING = ("null", "none", "undefined", '"null"')
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,20}(?=\.0*$|$)")
_LINK = re.compile(r"/review/([^/?#\s()<>\[\]\"'`]+)")
_QUERY = re.compile(r"[?#][^\s()<>\[\]]*")
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![^\W_]|-)"
_OUR_ID = re.compile(rf"(?<![^\W_])(?<!-){_ID}", re.IGNORECASE)
_OUR_LINK = re.compile(rf"/review/({_ID})", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_OPENING = {"object": "{", "array": "["}
_MOST_NAMED = 10
_LONGEST_NAME = 60
_ALIKE = 0.7

# A decision's details under another name: by the words in it, or by what it holds. Hosts add texts
# and switches under names of their own; they add no numbers, lists and objects.
_DETAIL = re.compile(
    r"(?:modif|chang|edit|amend|param|arg|val|condition|limit|restrict|expir|comment|amount)\w*"
    r"|notes?|only|except|until|max",
    re.IGNORECASE,
)
_DETAIL_ALIKE = 0.85


@dataclass(frozen=True)
class Arguments:
    """The arguments that a tool knows, by their wire names, and a note about all others."""

    known: dict[str, Any] = field(default_factory=dict)
    note: str = ""


def read_arguments(tool: str, schema: Mapping[str, Any], given: Mapping[str, Any]) -> Arguments:
    """What `given` means to a tool whose arguments have this schema.

    Names count in any case, camelCase or snake_case. An argument that is null or blank counts as
    left out, and so does an optional one that is "null". Texts are read as the number, choice,
    object or id that the schema asks for.

    Raises:
        LoopinError: An argument comes twice, is broken JSON, or would be lost and is part of an
            approval.
    """
    fields: Mapping[str, Any] = schema["properties"]
    wire_names = {_folded(name): name for name in fields}
    known: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    for name, value in given.items():
        wire_name = wire_names.get(_folded(name))
        if wire_name is None:
            unknown[name] = value
            continue
        meant = _read(wire_name, value, fields[wire_name])
        # An empty list says something, such as that no value may be changed.
        is_none_of = meant == [] and fields[wire_name]["type"] == "array"
        is_required = is_none_of or wire_name in schema.get("required", ())
        if is_empty(meant, is_required=is_required):
            continue
        if known.setdefault(wire_name, meant) != meant:
            raise InvalidRequestError(f"{wire_name} comes twice, with different values.")
    if known.get("decision") == "approved":
        _refuse_lost_details(tool, fields, unknown)
    return Arguments(known, _note(tool, fields, unknown))


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def is_empty(value: object, *, is_required: bool = False) -> bool:
    """Whether models and hosts mean nothing by a value; "null" may be one that is required."""
    if isinstance(value, str):
        text = value.strip().casefold()
        return text in _BLANK or (text in _NOTHING and not is_required)
    return value is None or (value in ({}, []) and not is_required)


def _read(name: str, value: Any, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the JSON edge
    if not isinstance(value, str):
        return value
    if name == "interruptId":
        return _bare_id(value)
    text = value.strip(_WRAPPING)
    if "enum" in schema:
        return text.casefold()
    if schema["type"] == "integer" and (number := _WHOLE_NUMBER.match(text)):
        return int(number[0])
    if (opening := _OPENING.get(schema["type"])) and value.strip().startswith(opening):
        return _json(name, value)
    return value


def _json(name: str, text: str) -> Any:  # noqa: ANN401 - this is the JSON edge
    """The JSON object or list in a text; Claude Desktop sometimes sends objects so."""
    try:
        return parse_json(text)
    except ValueError as error:
        raise InvalidRequestError(f"{name} {error}.") from None


def _bare_id(text: str) -> str:
    """The id in a text: in a review link, between quotes, or in upper case."""
    path = _QUERY.sub("", text)
    for pattern in (_OUR_LINK, _OUR_ID):
        if len(found := set(map(str.lower, pattern.findall(path)))) == 1:
            return found.pop()
    links = set(_LINK.findall(path))
    return unquote(links.pop()) if len(links) == 1 else text.strip(_WRAPPING)


def _note(tool: str, fields: Collection[str], unknown: Collection[str]) -> str:
    """That arguments are ignored; with the names of the tool's own if they might be meant."""
    if not unknown:
        return ""
    names = [_shown(name) for name in islice(unknown, _MOST_NAMED)]
    more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
    note = f"Ignored unknown arguments: {', '.join(names)}{more}."
    if any(_likeness(name, known) >= _ALIKE for name in names for known in fields):
        note += f" {tool} knows {', '.join(fields)}."
    return note


def _shown(name: str) -> str:
    return plain_text(name[:_LONGEST_NAME])


def _likeness(name: str, known: str) -> float:
    return SequenceMatcher(None, _folded(name[:_LONGEST_NAME]), _folded(known)).ratio()


def _refuse_lost_details(tool: str, fields: Collection[str], unknown: Mapping[str, Any]) -> None:
    """Refuse an approval that would lose a part of it, such as a misspelt `modifiedParams`."""
    lost = [name for name, value in unknown.items() if _is_detail(name, value, fields)]
    if lost:
        raise LoopinError(
            f"Nothing was recorded: {tool} does not know {_shown(lost[0])}, "
            f"which may be a part of the decision. It knows {', '.join(fields)}. Call again with "
            "changed values in modifiedParams and everything else in reason, or send the human to "
            "the reviewUrl to decide there."
        )


def _is_detail(name: str, value: object, fields: Collection[str]) -> bool:
    if is_empty(value) or isinstance(value, bool):
        return False
    is_structured = not isinstance(value, str) or value.strip()[:1] in ("{", "[")
    is_named_so = any(_DETAIL.fullmatch(word) for word in _WORD.findall(name))
    alike = (_likeness(name, known) for known in fields if known != "interruptId")
    return is_structured or is_named_so or max(alike) >= _DETAIL_ALIKE
