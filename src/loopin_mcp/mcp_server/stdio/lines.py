"""Lines on the pipe: reads a line as a JSON-RPC message, or says what is wrong with it."""

import contextlib
import json
import re
from typing import Any

import mcp_types as types
from pydantic import JsonValue, ValidationError

from loopin_mcp.wire.validation import faults, parse_json

# The largest request of a tool has some 400 KiB if everything in it is escaped.
LONGEST_LINE = 4 * 1024 * 1024

_ONE_LINE = "Write each message as one line of JSON in UTF-8, without line breaks."
_TOO_LONG = f"This line is longer than {LONGEST_LINE} bytes. Send less at a time."
_NO_BATCHES = "This line is a batch. Write each message on a line of its own."
_NO_MESSAGE = (
    "This line is not a JSON-RPC message. Write an object with jsonrpc, id, method and params."
)
_ID = r'"id"\s*:\s*("(?:[^"\\]|\\.){1,100}"|-?\d{1,18})'
# An id among the first keys of a line, or its last: there it cannot be one inside the params.
_FIRST = re.compile(
    r'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*|"method"\s*:\s*"[^"\\]{1,100}"\s*,\s*){0,2}' + _ID
)
_LAST = re.compile(_ID + r'(?:\s*,\s*"jsonrpc"\s*:\s*"2\.0")?\s*\}\s*$')


class LineError(Exception):
    """A line that is not one message: the error to answer, and the ids of the requests in it."""

    def __init__(self, code: int, fault: str, ids: list[types.RequestId] | None = None) -> None:
        super().__init__(fault)
        self.code = code
        self.ids = ids or []


class Lines:
    """Reads the lines of one pipe."""

    def __init__(self) -> None:
        self._pieces = ""

    def read(self, line: bytes) -> types.JSONRPCMessage | None:
        """The message in a line; None if it is blank, or a notification that cannot be read.

        Raises:
            LineError: It is no message.
        """
        if len(line) > LONGEST_LINE:
            ids = _ids_in_text(line[:1000].decode("utf-8", "replace"))
            raise LineError(types.INVALID_REQUEST, _TOO_LONG, ids)
        text = _decoded(line).removeprefix("\ufeff")
        if not text.strip():
            return None
        try:
            value = parse_json(text)
        except ValueError as error:
            ids = _ids_in_text(text) or self._ids_over_lines(text)
            raise LineError(types.PARSE_ERROR, f"This line {error}. {_ONE_LINE}", ids) from None
        self._pieces = ""
        return _message(value)

    def _ids_over_lines(self, piece: str) -> list[types.RequestId]:
        """The id of a request that this line ends, if earlier lines began it."""
        if piece.startswith(("{", "[")):
            self._pieces = ""
        self._pieces = (self._pieces + piece)[:LONGEST_LINE]
        may_end = piece.rstrip().endswith(("}", "]"))
        return (_ids_in_json(self._pieces) if may_end else None) or []


def line_of(message: types.JSONRPCMessage) -> bytes:
    """A message as a line in ASCII, which no reader can break anywhere but at its end."""
    fields = message.model_dump(by_alias=True, exclude_unset=True)
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise LineError(
            types.PARSE_ERROR,
            f"This line is not UTF-8: byte {error.start + 1} is {line[error.start]:#04x}. "
            f"{_ONE_LINE}",
            _ids_in_text(line.decode("utf-8", "replace")),
        ) from None


def _message(value: JsonValue) -> types.JSONRPCMessage | None:
    if isinstance(value, list):
        raise LineError(types.INVALID_REQUEST, _NO_BATCHES, _ids(value))
    if not isinstance(value, dict):
        raise LineError(types.INVALID_REQUEST, _NO_MESSAGE)
    if "method" not in value and ("result" in value or "error" in value):
        return _response(value)
    if "id" not in value and isinstance(value.get("method"), str):
        return _notification(value)
    return _request(value)


def _request(value: dict[str, JsonValue]) -> types.JSONRPCRequest:
    ids = _ids(value)
    filled = {**value, "params": _params(value)}
    try:
        return types.JSONRPCRequest.model_validate({**filled, "id": ids[0]} if ids else filled)
    except ValidationError as error:
        # It names the types that an id may have, too.
        found = {field.partition(".")[0]: saying for field, saying in faults(error).items()}
        if "id" in found:
            found["id"] = "must be a string or an integer"
        fault = "; ".join(f"{field} {saying}" for field, saying in found.items())
        raise LineError(
            types.INVALID_REQUEST, f"This line is not a valid request: {fault}.", ids
        ) from None


def _notification(value: dict[str, JsonValue]) -> types.JSONRPCNotification | None:
    """A notification; None if it is invalid, since no notification gets an answer."""
    try:
        return types.JSONRPCNotification.model_validate({**value, "params": _params(value)})
    except ValidationError:
        return None


def _response(value: dict[str, JsonValue]) -> types.JSONRPCResponse | types.JSONRPCError:
    """A response; one that is invalid fails the request that it answers."""
    model = types.JSONRPCResponse if "result" in value else types.JSONRPCError
    try:
        return model.model_validate(value)
    except ValidationError:
        ids: list[types.RequestId | None] = [*_ids({"method": "", **value})]
        error = types.ErrorData(code=types.INVALID_REQUEST, message="The response is not valid")
        return types.JSONRPCError(jsonrpc="2.0", id=(ids or [None])[0], error=error)


def _params(value: dict[str, JsonValue]) -> JsonValue:
    """The parameters, in which null or [] counts as left out: some languages write {} as []."""
    params = value.get("params")
    if params in (None, []):
        return {}
    if not isinstance(params, dict):
        return params
    given: dict[str, JsonValue] = {
        name: part for name, part in params.items() if part not in (None, [])
    }
    if value.get("method") == "initialize":
        given["capabilities"] = _objects(given.get("capabilities", {}))
    if "_meta" in given:
        given["_meta"] = _objects(given["_meta"])
    return given


def _objects(value: JsonValue) -> JsonValue:
    """The value with {} for every [] in it."""
    if isinstance(value, dict):
        return {name: _objects(part) for name, part in value.items()}
    return {} if value == [] else value


def _ids(value: Any) -> list[types.RequestId]:  # noqa: ANN401 - this is the JSON edge
    """The ids of the requests in what may be a message, or a batch of them."""
    parts = value if isinstance(value, list) else [value]
    ids = [part.get("id") for part in parts if isinstance(part, dict) and "method" in part]
    # JSON has one kind of number, so 1.0 is an integer.
    whole = [int(id_) if isinstance(id_, float) and id_.is_integer() else id_ for id_ in ids]
    return [id_ for id_ in whole if type(id_) is int or (isinstance(id_, str) and _is_text(id_))]


def _ids_in_text(text: str) -> list[types.RequestId]:
    """The ids in a text that is not strict JSON; none if it may be a response."""
    ids = _ids_in_json(text)
    if ids is not None or '"method"' not in text:
        return ids or []
    found = _FIRST.match(text) or _LAST.search(text)
    with contextlib.suppress(ValueError):
        return _ids({"method": "", "id": json.loads(found[1])}) if found else []
    return []


def _ids_in_json(text: str) -> list[types.RequestId] | None:
    """The ids in one or more values that some reader of JSON takes; None if none does."""
    reader = json.JSONDecoder(object_pairs_hook=_without_doubt)
    ids: list[types.RequestId] = []
    text = text.strip()
    end = 0
    try:
        while end < len(text):
            value, end = reader.raw_decode(text, end)
            ids += _ids(value)
            while end < len(text) and text[end].isspace():
                end += 1
    except (ValueError, RecursionError):
        return None
    return ids


def _without_doubt(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, without its id if it names two."""
    names = [name for name, _ in pairs]
    return {name: part for name, part in pairs if name != "id" or names.count("id") == 1}


def _is_text(value: str) -> bool:
    """Whether UTF-8 can hold it, which has no halves of a surrogate pair."""
    return value.encode("utf-8", "ignore").decode() == value
