"""Lines of a host: what is read from them, and what is said of those that are no message."""

import contextlib
import json
import re
from typing import Any

import mcp_types as types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_mcp.mcp_server.stdio.lines import LONGEST_LINE, LineError, Lines, line_of

CALL: dict[str, Any] = {"jsonrpc": "2.0", "id": 7, "method": "tools/call"}
ONE_LINE = "Write each message as one line of JSON in UTF-8, without line breaks."


def read(line: str | bytes) -> types.JSONRPCMessage | None:
    return Lines().read(line.encode() if isinstance(line, str) else line)


def refused(line: str | bytes) -> tuple[int, str, list[int | str]]:
    """The code, the fault and the ids of a line that is refused."""
    with pytest.raises(LineError) as refusal:
        read(line)
    return refusal.value.code, str(refusal.value), refusal.value.ids


def params_of(method: str, params: object) -> dict[str, Any] | None:
    message = read(json.dumps({**CALL, "method": method, "params": params}))
    assert isinstance(message, types.JSONRPCRequest)
    return message.params


@pytest.mark.parametrize("line", [b"", b"\r", b" \t ", "\ufeff".encode(), b"\xef\xbb\xbf\r"])
def test_blank_line_is_passed_over(line: bytes) -> None:
    assert read(line) is None


@pytest.mark.parametrize("before", ["", "\ufeff", "  ", "\ufeff "])
@pytest.mark.parametrize("after", ["", "\r", " "])
def test_byte_order_mark_and_blanks_around_a_message_are_taken(before: str, after: str) -> None:
    assert read(before + json.dumps(CALL) + after) == types.JSONRPCRequest(**CALL, params={})


@pytest.mark.parametrize(
    ("written", "id_"),
    [("0", 0), ("1.0", 1), ("-3", -3), ("2e2", 200), ("9" * 30, int("9" * 30)), ('""', "")],
)
def test_id_is_a_string_or_an_integer_however_it_is_written(written: str, id_: int | str) -> None:
    message = read(f'{{"jsonrpc":"2.0","id":{written},"method":"ping"}}')

    assert message == types.JSONRPCRequest(jsonrpc="2.0", id=id_, method="ping", params={})


@pytest.mark.parametrize(
    "written", ["null", "true", "1.5", "[1]", '{"a":1}', "1e400", '"\\ud83d\\ude00"'.upper()]
)
def test_request_with_another_id_is_refused_without_one(written: str) -> None:
    code, fault, ids = refused(f'{{"jsonrpc":"2.0","id":{written},"method":"ping"}}')

    assert (code in (types.INVALID_REQUEST, types.PARSE_ERROR), ids) == (True, [])
    if code == types.INVALID_REQUEST:
        assert fault == "This line is not a valid request: id must be a string or an integer."


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"jsonrpc": "1.0"}, "jsonrpc must be '2.0'"),
        ({"jsonrpc": None}, "jsonrpc must be '2.0'"),
        ({"method": 5}, "method must be a string"),
        ({"params": "x"}, "params must be a JSON object"),
        ({"params": [1]}, "params must be a JSON object"),
    ],
)
def test_request_with_a_fault_is_refused_by_its_id(fields: dict[str, Any], fault: str) -> None:
    line = json.dumps(CALL | fields)

    assert refused(line) == (
        types.INVALID_REQUEST,
        f"This line is not a valid request: {fault}.",
        [7],
    )


def test_object_without_a_method_is_refused() -> None:
    code, fault, ids = refused('{"jsonrpc":"2.0","id":7}')

    assert (code, ids) == (types.INVALID_REQUEST, [])
    assert fault == "This line is not a valid request: method is required."
    assert "jsonrpc is required" in refused('{"id":1,"method":"ping"}')[1]


@pytest.mark.parametrize("value", ["5", '"initialize"', "true", "null"])
def test_json_that_is_no_object_is_refused(value: str) -> None:
    code, fault, ids = refused(value)

    assert (code, ids) == (types.INVALID_REQUEST, [])
    assert fault.startswith("This line is not a JSON-RPC message. Write an object with jsonrpc")


def test_batch_is_refused_for_each_request_in_it() -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    answer = {"jsonrpc": "2.0", "id": 4, "result": {}}

    batch = refused(json.dumps([CALL, note, CALL | {"id": "b"}, answer, 5]))

    told = "This line is a batch. Write each message on a line of its own."
    assert batch == (types.INVALID_REQUEST, told, [7, "b"])
    assert refused("[]") == (types.INVALID_REQUEST, told, [])


@pytest.mark.parametrize(
    "line",
    [
        '{"method":"notifications/initialized"}',
        '{"jsonrpc":"1.0","method":"x"}',
        '{"jsonrpc":"2.0","method":"x","params":"y"}',
        '{"jsonrpc":"2.0","method":"x","params":[1]}',
    ],
)
def test_invalid_notification_gets_no_answer(line: str) -> None:
    assert read(line) is None


def test_invalid_response_fails_the_request_that_it_answers() -> None:
    lines = [
        '{"jsonrpc":"2.0","id":3,"result":5}',
        '{"id":3,"result":{}}',
        '{"jsonrpc":"2.0","id":3,"error":"no"}',
    ]

    for line in lines:
        message = read(line)
        assert isinstance(message, types.JSONRPCError)
        assert message.id == 3
    unknown = read('{"jsonrpc":"2.0","id":[3],"result":{}}')
    assert isinstance(unknown, types.JSONRPCError)
    assert unknown.id is None


def test_valid_responses_and_notifications_are_read() -> None:
    result: dict[str, Any] = {"jsonrpc": "2.0", "id": 3, "result": {"action": "accept"}}
    error: dict[str, Any] = {"jsonrpc": "2.0", "id": None, "error": {"code": -1, "message": "no"}}
    note: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/initialized", "params": {}}

    assert read(json.dumps(result)) == types.JSONRPCResponse(**result)
    assert read(json.dumps(error)) == types.JSONRPCError(**error)
    assert read(json.dumps(note)) == types.JSONRPCNotification(**note)


@pytest.mark.parametrize("empty", [None, []])
def test_empty_array_and_null_count_as_left_out(empty: object) -> None:
    assert params_of("tools/list", empty) == {}
    assert params_of("tools/call", {"name": "x", "arguments": empty, "_meta": empty}) == {
        "name": "x"
    }
    assert params_of("initialize", {"capabilities": empty}) == {"capabilities": {}}


def test_empty_arrays_in_capabilities_are_empty_objects() -> None:
    capabilities = {"elicitation": [], "roots": {"listChanged": True}, "experimental": {"a": [1]}}
    meant = capabilities | {"elicitation": {}}
    key = "io.modelcontextprotocol/clientCapabilities"

    assert params_of("initialize", {"capabilities": capabilities}) == {"capabilities": meant}
    assert params_of("tools/list", {"_meta": {key: capabilities}}) == {"_meta": {key: meant}}
    assert params_of("tools/call", {"arguments": {"context": []}}) == {"arguments": {"context": []}}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("nonsense", "is not valid JSON: "),
        ("{'jsonrpc':'2.0'}", "is not valid JSON: "),
        ('{"jsonrpc":"2.0"', "is not valid JSON: "),
        ("\0", "is not valid JSON: "),
        ("[" * 100_000, "is not valid JSON: "),
        ('{"jsonrpc":"2.0","result":{"a":NaN},"id":3}', "is not valid JSON: "),
    ],
)
def test_line_that_is_not_json_is_refused_without_an_id(line: str, fault: str) -> None:
    code, told, ids = refused(line)

    assert (code, ids) == (types.PARSE_ERROR, [])
    assert told.startswith(f"This line {fault}")
    assert told.endswith(f" {ONE_LINE}")


DEEP = "[" * 5_000 + "]" * 5_000


@pytest.mark.parametrize(
    ("line", "id_"),
    [
        ('{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}', 1),
        ('{"jsonrpc":"2.0","method":"x","params":{"a":-Infinity},"id":"b"}', "b"),
        ('{"jsonrpc":"2.0","id":1.0,"method":"x","params":{"a":1,"a":2}}', 1),
        ('{"id":"s","method":"x","params":{"name":"\\ud800"}}', "s"),
        ('{"jsonrpc":"2.0","id":5,"method":"x","params":{"a":1e-400}}', 5),
        ('{"jsonrpc":"2.0","id":6,"method":"x","params":{', 6),
        (f'{{"method":"x","params":{{"a":{DEEP}}},"jsonrpc":"2.0","id":9}}', 9),
        (f'{{"method":"x","params":{{"id":1,"a":{"9" * 5_000}}},"id":10}}', 10),
        ('[{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}]', 1),
    ],
)
def test_request_that_is_not_strict_json_is_refused_by_its_id(line: str, id_: int | str) -> None:
    code, told, ids = refused(line)

    assert (code, ids) == (types.PARSE_ERROR, [id_])
    assert told.startswith("This line ")


@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}',
        '{"jsonrpc":"2.0","id":"\\ud800","method":"x"}',
        '{"jsonrpc":"2.0","id":"\\x","method":"x"}',
        '{"jsonrpc":"2.0","params":{"id":1},"method":"\\ud800"}',
    ],
)
def test_id_in_doubt_is_not_answered(line: str) -> None:
    assert refused(line)[2] == []


@pytest.mark.parametrize("number", ["12345678901234567001.0", "-9007199254740993e0", "1e-400"])
@pytest.mark.parametrize("argument", ["context", "modifiedParams"])
def test_number_that_would_be_rounded_is_named(number: str, argument: str) -> None:
    params = f'{{"name":"x","arguments":{{"{argument}":{{"deep":[{number}]}}}}}}'
    line = f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}'

    assert refused(line)[1].startswith(f"This line has the number {number}, which would be rounded")


def test_messages_without_a_line_break_between_them_are_refused_by_their_ids() -> None:
    line = json.dumps(CALL) + json.dumps(CALL | {"id": "b"}) + " \t5 "

    assert refused(line)[::2] == (types.PARSE_ERROR, [7, "b"])
    assert refused(line + '{"jsonrpc"')[2] == [7]


def test_name_that_a_message_has_twice_is_named() -> None:
    line = '{"jsonrpc":"2.0","id":1,"method":"x","params":{"amount":1,"amount":2}}'

    assert refused(line)[1].startswith('This line names "amount" twice in one object')


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ('{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"é"}}'.encode("latin-1"), "0xe9"),
        ('{"jsonrpc":"2.0","id":1,"method":"x"}'.encode("utf-16"), "0xff"),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"\xed\xa0\x80"}}', "0xed"),
        (b'{"jsonrpc":"2.0","id":1,"method":"x\xc3', "0xc3"),
    ],
)
def test_line_that_is_not_utf_8_is_refused(line: bytes, where: str) -> None:
    code, told, ids = refused(line)

    assert code == types.PARSE_ERROR
    assert re.match(rf"This line is not UTF-8: byte \d+ is {where}\. Write each", told)
    assert ids in ([1], []) if where == "0xff" else ids == [1]


def test_line_that_is_too_long_is_refused_by_its_id() -> None:
    head = b'{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"a":"'

    code, told, ids = refused(head + b"x" * LONGEST_LINE)

    assert (code, ids) == (types.INVALID_REQUEST, [4])
    assert told == f"This line is longer than {LONGEST_LINE} bytes. Send less at a time."


def test_request_over_several_lines_is_refused_by_its_id_at_its_end() -> None:
    lines = Lines()
    ids: list[list[int | str]] = []
    request = json.dumps(CALL | {"params": {"arguments": {"a": {}}}}, indent=2)
    broken = ['{"a":}', "}", *request.split("\n"), "}", *request.split("\n")]

    for line in broken:
        with pytest.raises(LineError) as refusal:
            lines.read(line.encode())
        ids.append(refusal.value.ids)

    once: list[list[int | str]] = [[]] * (len(request.split("\n")) - 1) + [[7]]
    assert ids == [[], [], *once, [], *once]


def test_message_is_written_in_ascii_on_one_line() -> None:
    odd = "\u2028\u2029\x85\x0b\n\r\ud800é\U0001f600\x7f"

    line = line_of(types.JSONRPCResponse(jsonrpc="2.0", id=odd[:2], result={"a": odd, odd: [1]}))

    assert line.isascii()
    assert line.decode().splitlines() == [line.decode().removesuffix("\n")]
    assert json.loads(line) == {
        "jsonrpc": "2.0",
        "id": odd[:2],
        "result": {"a": odd, odd: [1]},
    }


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_line_is_read_or_refused(line: bytes) -> None:
    lines = Lines()

    with contextlib.suppress(LineError):
        lines.read(line)

    assert lines.read(json.dumps(CALL).encode()) == types.JSONRPCRequest(**CALL, params={})
