"""The prompts over stdio, in raw lines of both protocol eras."""

from collections.abc import Callable

import pytest

from tests.support.host import ENVELOPE, LEGACY, MODERN, Host, Message, create, initialize


@pytest.mark.parametrize("era", [LEGACY, MODERN])
def test_prompts_are_listed_got_and_refused(start: Callable[..., Host], era: str) -> None:
    host = start()
    if era == LEGACY:
        initialize(host)
    meta: Message = {"_meta": ENVELOPE} if era == MODERN else {}
    created = create(host, meta.get("_meta"))

    listed = host.ask("prompts/list", meta)["result"]["prompts"]
    review = {"name": "review_pending", "arguments": {"userId": "u"}, **meta}
    [message] = host.ask("prompts/get", review)["result"]["messages"]
    refused = host.ask("prompts/get", {"name": "ask_before", **meta})["error"]
    unknown = host.ask("prompts/get", {"name": "unknown", **meta})["error"]

    assert {prompt["name"]: [arg["name"] for arg in prompt["arguments"]] for prompt in listed} == {
        "review_pending": ["userId"],
        "ask_before": ["actions"],
    }
    assert created["interruptId"] in message["content"]["text"]
    assert created["reviewUrl"] in message["content"]["text"]
    assert refused["message"] == "actions is required. Correct that and call again."
    known = "The prompts are review_pending, ask_before."
    assert unknown["message"] == f"Unknown prompt: unknown. {known}"
    assert host.end() == ("", "")
