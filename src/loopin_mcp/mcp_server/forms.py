"""The form that shows a decision to a human in the host, and which forms still count."""

import json
import secrets
import time
from dataclasses import dataclass

from loopin_mcp.wire.models import Decision, Interrupt
from loopin_mcp.wire.plain_text import plain_text, quoted

# Hosts cut a call at 60 s; the API is asked before and after.
ANSWER_WITHIN_S = 45.0

# Accepting the form confirms, unless this field is unchecked. It is there because some hosts cannot
# submit a form without fields: https://github.com/PrefectHQ/fastmcp/issues/3910
CONFIRMED = "confirmed"
FORM: dict[str, object] = {
    "type": "object",
    "properties": {CONFIRMED: {"type": "boolean", "title": "I have decided this", "default": True}},
}

_LONGEST_SHOWN = 2000
# A form shows all that will be recorded, or nothing.
_LONGEST_RECORDED = 4000

_VERDICTS = {"approved": "APPROVE, the agent may act", "rejected": "REJECT, the agent must not act"}


@dataclass(frozen=True)
class Question:
    """What a form asks; its answer counts for nothing else."""

    interrupt_id: str
    decision: Decision


@dataclass(frozen=True)
class _Form:
    question: Question
    until: tuple[float, float]

    def is_open(self) -> bool:
        return all(now < end for now, end in zip(_clocks(), self.until, strict=True))


class Forms:
    """The open forms in a host; each counts once, and only for a while."""

    def __init__(self, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self.answer_within_s = answer_within_s
        self._issued: dict[str, _Form] = {}

    def issue(self, question: Question) -> str:
        """Open a form; returns the token that its answer must bring."""
        self._issued = {token: form for token, form in self._issued.items() if form.is_open()}
        token = secrets.token_urlsafe(16)
        steady, wall = _clocks()
        until = (steady + self.answer_within_s, wall + self.answer_within_s)
        self._issued[token] = _Form(question, until)
        return token

    def redeem(self, token: str, question: Question) -> bool:
        """Close a form; returns whether this answer is the first, in time, to this question."""
        form = self._issued.pop(token, None)
        return form is not None and form.question == question and form.is_open()


def form_message(interrupt: Interrupt, decision: Decision) -> str:
    """The text of the form: one line for each item, with the words of others in backticks."""
    agent = quoted(interrupt.agent_id, _LONGEST_SHOWN) if interrupt.agent_id else "not known"
    lines = [
        "An agent reports this as your decision. Accept only if it is. Decisions are final.",
        f"- Decision: {_VERDICTS[decision.decision]}",
        f"- Action: {quoted(interrupt.action, _LONGEST_SHOWN)}",
        f"- Asked by: {agent}",
    ]
    if decision.modified_params is not None:
        values = quoted(_as_json(decision), _LONGEST_RECORDED)
        lines.append(f"- Values in place of the proposed ones: {values}")
    if decision.reason:
        lines.append(f"- Reason: {quoted(decision.reason, _LONGEST_RECORDED)}")
    if interrupt.review_url:
        lines.append(f"- All facts: {plain_text(interrupt.review_url)}")
    return "\n".join(lines)


def too_long_to_show(decision: Decision) -> str:
    """The part of a decision that is too long for a form; empty if there is none."""
    parts = {"reason": decision.reason or "", "modifiedParams": _as_json(decision)}
    long = (name for name, text in parts.items() if len(plain_text(text)) > _LONGEST_RECORDED)
    return next(long, "")


def _as_json(decision: Decision) -> str:
    return json.dumps(decision.modified_params, ensure_ascii=False)


def _clocks() -> tuple[float, float]:
    """Two clocks: the first may stop while the machine sleeps, the second may be set back."""
    return time.monotonic(), time.time()
