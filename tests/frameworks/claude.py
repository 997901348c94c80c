"""A stand-in for the program of Claude Code, which speaks with the SDK over its pipes.

The prompt has the payments that it makes, as JSON. It asks about each, makes those that may run
through the SDK's own server, and then repeats the answers.
"""

import json
import sys
from typing import Any

JSON = dict[str, Any]


def write(message: JSON) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def read() -> JSON:
    message: JSON = json.loads(sys.stdin.readline())
    return message


def send(requests: list[JSON]) -> list[JSON]:
    """The answers to requests that are sent together."""
    for number, request in enumerate(requests):
        write({"type": "control_request", "request_id": str(number), "request": request})
    answers = [read()["response"] for _ in requests]
    answers.sort(key=lambda answer: int(answer["request_id"]))
    return [answer["response"] for answer in answers]


def message(method: str, **params: Any) -> JSON:  # noqa: ANN401 - JSON
    """The answer of the SDK's server to a message of MCP."""
    said = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    [answer] = send([{"subtype": "mcp_message", "server_name": "payments", "message": said}])
    result: JSON = answer["mcp_response"]["result"]
    return result


def permission(number: int, payment: JSON) -> JSON:
    """The question whether a payment may run."""
    name = "mcp__payments__pay"
    fields = {"tool_name": name, "input": payment, "tool_use_id": f"toolu_{number}"}
    return {"subtype": "can_use_tool", "permission_suggestions": [], **fields}


def main() -> None:
    start = read()
    answer = {"subtype": "success", "request_id": start["request_id"], "response": {}}
    write({"type": "control_response", "response": answer})
    payments = json.loads(read()["message"]["content"])
    version = {"name": "stand-in", "version": "1"}
    message("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=version)
    told = []
    for answer in send([permission(*each) for each in enumerate(payments)]):
        if answer["behavior"] == "allow":
            paid = message("tools/call", name="pay", arguments=answer["updatedInput"])
            told.append(paid["content"][0]["text"])
        else:
            told.append(answer["message"])
    spent = {"duration_ms": 1, "duration_api_ms": 1, "num_turns": 1, "session_id": "1"}
    result = {"subtype": "success", "is_error": False, "result": "\n".join(told)}
    write({"type": "result", **spent, **result})


main()
