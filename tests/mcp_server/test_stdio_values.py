"""Odd argument values over stdio: stored unchanged or refused, and the server continues."""

import json
from collections.abc import Callable

from tests.support.host import Host, Message, initialize

DEEP = '{"a":' * 40 + "1" + "}" * 40
STORED = [
    '{"a":-0.0,"b":1e22,"c":99999999999999999999999999,"d":9007199254740993}',
    '{"":"\\u0000","\\u0000":{"__proto__":[null,true]}}',
    '{"a":"\\u202e\\ud83d\\ude00"}',
    '{"a":"' + "x" * 20_000 + '"}',
]
REFUSED = {
    '{"a":1e400}': "context must hold finite numbers only",
    DEEP: "context must not be nested more than 32 levels deep",
    '{"a":"' + "x" * 66_000 + '"}': "context must be at most 65536 bytes as JSON",
    json.dumps('{"a":NaN}'): "context is not valid JSON: ",
    json.dumps(r'{"a":"\ud800"}'): "context is not valid JSON: ",
    json.dumps("[" * 50_000): "context must be a JSON object",
    "[]": "context must be a JSON object",
}
BLANK = r'"\u200b\u2066\ufeff"'


def call(host: Host, tool: str, arguments: str) -> Message:
    """The result of a call whose arguments are written like this."""
    params = f'{{"name":"{tool}","arguments":{arguments}}}'
    host.write(f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}')
    result: Message = host.read()["result"]
    return result


def create(host: Host, context: str, action: str = '"Pay"') -> Message:
    arguments = f'{{"userId":"u","action":{action},"context":{context}}}'
    return call(host, "create_interrupt", arguments)


def test_odd_values_are_stored_as_they_were_sent(start: Callable[..., Host]) -> None:
    host = start()
    initialize(host)

    for context in STORED:
        created = create(host, context)["structuredContent"]["interruptId"]
        decision = {"interruptId": created, "decision": "rejected"}
        call(host, "decide_interrupt", json.dumps(decision))
        read = call(host, "get_interrupt_status", json.dumps({"interruptId": created}))

        assert json.dumps(read["structuredContent"]["context"]) == json.dumps(json.loads(context))


def test_values_that_cannot_be_stored_are_refused_by_name(start: Callable[..., Host]) -> None:
    host = start()
    initialize(host)

    for context, fault in REFUSED.items():
        assert text_of(create(host, context)).startswith(fault)
    assert text_of(create(host, "{}", BLANK)).startswith("action must not be blank")
    odd = json.dumps({"interruptId": "\0/../x\u202e"})
    for tool in ("get_interrupt_status", "cancel_interrupt"):
        assert text_of(call(host, tool, odd)).startswith("Interrupt not found")


def test_values_that_are_no_json_are_refused_by_the_id_of_the_call(
    start: Callable[..., Host],
) -> None:
    host = start()
    initialize(host)

    for context in ['{"a":NaN}', '{"a":Infinity}', '{"a":1,"a":2}', '{"a":1e-400}', '{"a":01}']:
        arguments = f'{{"userId":"u","action":"Pay","context":{context}}}'
        params = f'{{"name":"create_interrupt","arguments":{arguments}}}'
        host.write(f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}')
        answer = host.read()
        assert (answer["id"], answer["error"]["code"]) == (1, -32700)
    listed = call(host, "list_pending_interrupts", '{"userId":"u"}')
    assert listed["structuredContent"]["interrupts"] == []


def text_of(result: Message) -> str:
    """The error of a refused call."""
    assert result["isError"] is True
    return str(result["content"][0]["text"])
