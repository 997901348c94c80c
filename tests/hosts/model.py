"""A stand-in for the model servers of the hosts: it makes the calls that a test lists, in order."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Message = dict[str, Any]
# The input of a tool; it may depend on the results so far.
Input = Message | Callable[[list[str]], Message]
# A tool and its input.
Call = tuple[str, Input]
Made = tuple[str, Message]
# The prompt of another agent that the model calls.
TASK = "Do the task of another agent"
SPENT = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}


class Model:
    """Answers each request with the next call, or with "done"; keeps what the host sent."""

    def __init__(self, calls: Iterable[Call], delegated: Iterable[Call] = ()) -> None:
        self.calls = list(calls)
        # Those of another agent, which the first call starts.
        self.delegated = list(delegated)
        self.requests: list[Message] = []
        self.url = ""

    @property
    def results(self) -> list[str]:
        """The results of the calls, as the model reads them."""
        return max((results_in(request) for request in self.requests), key=len, default=[])

    @property
    def tools(self) -> set[str]:
        """The names of the tools that the model was offered."""
        return {name for request in self.requests for name in tools_in(request)}

    def answer(self, path: str, request: Message) -> Iterator[Message]:
        """The events of the answer in the protocol of this path."""
        self.requests.append(request)
        # The conversation itself says how far it is, so that it can be resumed in a new process.
        results = results_in(request)
        protocol = next(speak for part, speak in PROTOCOLS.items() if part in path)
        call_id = f"call_{len(results)}_{len(self.requests)}"
        calls = self.delegated if self._is_delegated(request) else self.calls
        if not any(tools_in(request)) or len(results) >= len(calls):
            return protocol(call_id, None)
        tool, given = calls[len(results)]
        return protocol(call_id, (tool, given(results) if callable(given) else given))

    def _is_delegated(self, request: Message) -> bool:
        said = json.dumps([request.get(name) for name in ("messages", "contents", "input")])
        return TASK in said and f'"{self.calls[0][0].rpartition(".")[2]}"' not in said


def tools_in(request: Message) -> Iterator[str]:
    """The names of the tools that a request offers."""
    for tool in request.get("tools") or []:
        functions = tool.get("functionDeclarations") or tool.get("tools") or [tool]
        prefix = f"{tool['name']}." if tool.get("type") == "namespace" else ""
        yield from (prefix + function.get("name", "") for function in functions)


def results_in(request: Message) -> list[str]:
    """The results of tools that a request contains."""
    found = []
    for message in request.get("messages") or request.get("contents") or [request]:
        content = message.get("content") or message.get("parts") or message.get("input") or []
        for part in content if isinstance(content, list) else []:
            if part.get("type") == "tool_result":
                found.append(json.dumps(part["content"]))
            elif str(part.get("type")).endswith("_call_output"):
                found.append(json.dumps(part["output"]))
            elif "functionResponse" in part:
                found.append(json.dumps(part["functionResponse"]["response"]))
    return found


def anthropic(call_id: str, call: Made | None) -> Iterator[Message]:
    """The events of Anthropic's messages."""
    block: Message = {"type": "text", "text": ""}
    delta: Message = {"type": "text_delta", "text": "done"}
    if call:
        block = {"type": "tool_use", "id": f"toolu_{call_id}", "name": call[0], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(call[1])}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "stand-in"}
    yield {
        "type": "message_start",
        "message": {**message, "content": [], "stop_reason": None, "usage": SPENT},
    }
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    reason = "tool_use" if call else "end_turn"
    yield {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": SPENT}
    yield {"type": "message_stop"}


def responses(call_id: str, call: Made | None) -> Iterator[Message]:
    """The events of OpenAI's responses."""
    item: Message = {"type": "message", "role": "assistant", "id": f"msg_{call_id}"}
    item["content"] = [{"type": "output_text", "text": "done"}]
    if call:
        namespace, _, name = call[0].rpartition(".")
        item = {"type": "function_call", "call_id": call_id, "name": name}
        item |= {"namespace": namespace} if namespace else {}
        item["arguments"] = json.dumps(call[1])
    yield {"type": "response.created", "response": {"id": "resp_1"}}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": {"id": "resp_1", "usage": SPENT}}


def gemini(call_id: str, call: Made | None) -> Iterator[Message]:
    """The one event of Gemini's generateContent."""
    part: Message = {"text": "done"}
    if call:
        part = {"functionCall": {"id": call_id, "name": call[0], "args": call[1]}}
    content = {"role": "model", "parts": [part]}
    yield {"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}]}


PROTOCOLS = {"/messages": anthropic, "/responses": responses, "enerateContent": gemini}


class _Exchange(BaseHTTPRequestHandler):
    model: Model

    def do_POST(self) -> None:
        """Answer with a stream of events, or in one piece where that was asked for."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        events = list(self.model.answer(self.path, body))
        if ":generateContent" in self.path:
            return self._send("application/json", json.dumps(events[0]))
        named = [f"event: {e['type']}\n" if "type" in e else "" for e in events]
        lines = [f"{name}data: {json.dumps(e)}\n\n" for name, e in zip(named, events, strict=True)]
        return self._send("text/event-stream", "".join(lines))

    def _send(self, kind: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_HEAD(self) -> None:
        """Say that the server is there."""
        self._send("text/plain", "")

    def do_GET(self) -> None:
        """Say so too."""
        self._send("text/plain", "")

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serving(*calls: Call, delegated: Iterable[Call] = ()) -> Iterator[Model]:
    """A model that makes these calls, on a port of its own."""
    model = Model(calls, delegated)
    exchange = type("Exchange", (_Exchange,), {"model": model})
    with ThreadingHTTPServer(("127.0.0.1", 0), exchange) as server:
        model.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield model
        finally:
            server.shutdown()
