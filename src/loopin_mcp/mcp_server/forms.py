"""The form that shows a decision to a human in the host, and which forms still count."""

import json
import secrets
import time
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from loopin_mcp.wire.fields import LONGEST_EXPIRY_S
from loopin_mcp.wire.models import Decision, Interrupt
from loopin_mcp.wire.plain_text import plain_text, quoted, time_in_words

# Hosts cut a call at 60 s; the API is asked before and after.
ANSWER_WITHIN_S = 45.0

# Only a `true` of the human's own confirms, so there is no default: hosts may fill that in.
CONFIRMED = "confirmed"
FORM: dict[str, object] = {
    "type": "object",
    "properties": {
        CONFIRMED: {
            "type": "boolean",
            "title": "I have decided this",
            "description": "An agent reports this as your decision. Confirm only if it is. "
            "Decisions are final.",
        }
    },
    "required": [CONFIRMED],
}

# Claude Code draws four lines of a form's message, in a terminal of perhaps 80 columns. The last
# one is the link.
_ROWS, _COLUMNS = 3, 76
# Each form is small, but one that nobody answers lasts as long as its interrupt.
_MOST_OPEN = 1000

_VERDICTS = {"approved": "APPROVE", "rejected": "REJECT"}


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
    """The open forms in a host; each counts once, and only for a while.

    A form that keeps its call pending counts for `answer_within_s`.
    """

    def __init__(self, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self.answer_within_s = answer_within_s
        self._issued: dict[str, _Form] = {}

    def issue(self, question: Question, lasts_s: float) -> str:
        """Open a form; returns the token that its answer must bring."""
        is_open = [(token, form) for token, form in self._issued.items() if form.is_open()]
        self._issued = dict(is_open[1 - _MOST_OPEN :])
        token = secrets.token_urlsafe(16)
        steady, wall = _clocks()
        self._issued[token] = _Form(question, (steady + lasts_s, wall + lasts_s))
        return token

    def redeem(self, token: str, question: Question) -> bool:
        """Close a form; returns whether this answer is the first, in time, to this question."""
        form = self._issued.pop(token, None)
        return form is not None and form.question == question and form.is_open()


class CarriedForms:
    """Open forms that other copies of the server know too, from the tokens of the forms.

    The SDK seals the tokens. Each counts once in a copy, and a decision can be recorded only once.
    """

    def __init__(self, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self.answer_within_s = answer_within_s
        # In the order in which they were answered here.
        self._answered: dict[str, None] = {}

    def issue(self, question: Question, lasts_s: float) -> str:
        """Open a form; returns the token that its answer must bring."""
        return json.dumps([secrets.token_urlsafe(16), _digest(question), time.time() + lasts_s])

    def redeem(self, token: str, question: Question) -> bool:
        """Close a form; returns whether this answer is the first, in time, to this question."""
        form, asked, until = json.loads(token)
        if form in self._answered or asked != _digest(question) or time.time() >= until:
            return False
        if len(self._answered) >= _MOST_OPEN:
            del self._answered[next(iter(self._answered))]
        self._answered[form] = None
        return True


AnyForms = Forms | CarriedForms


def time_to_answer(interrupt: Interrupt) -> float:
    """The seconds until the interrupt expires."""
    if interrupt.expires_at is None:
        return LONGEST_EXPIRY_S
    return (interrupt.expires_at - datetime.now(UTC)).total_seconds()


def form_message(interrupt: Interrupt, decision: Decision, lasts_s: float) -> str | None:
    """The text of the form, with the words of others in backticks; None if it does not fit.

    A line each for the decision with its action, for who asks, for the changed values and the
    reason, and for the link. A form shows all that will be recorded, or nothing.
    """
    lines = [
        f"{_VERDICTS[decision.decision]}: {quoted(interrupt.action)}",
        f"Asked by {_names(interrupt)}. Answer within {time_in_words(lasts_s)}.",
    ]
    if details := _details(decision):
        lines.append(details)
    if sum(map(_rows, lines)) > _ROWS:
        return None
    if interrupt.review_url:
        lines.append(f"All facts: {plain_text(interrupt.review_url)}")
    return "\n".join(lines)


def _digest(question: Question) -> str:
    asked = [question.interrupt_id, question.decision.model_dump(mode="json")]
    return sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _names(interrupt: Interrupt) -> str:
    agent = quoted(interrupt.agent_id) if interrupt.agent_id else "not known"
    return f"{agent} for {quoted(interrupt.user_id)}" if interrupt.user_id else agent


def _details(decision: Decision) -> str:
    """The changed values and the reason, if there are any."""
    details = []
    if decision.modified_params is not None:
        values = json.dumps(decision.modified_params, ensure_ascii=False)
        details.append(f"Changed values: {quoted(values)}")
    if decision.reason:
        details.append(f"Reason: {quoted(decision.reason)}")
    return " ".join(details)


def _rows(line: str) -> int:
    """How many rows a line takes in a terminal, which breaks it at blanks where it can."""
    rows, left = 1, _COLUMNS
    for word in line.split(" "):
        width = sum(map(_columns, word))
        if width > left and left < _COLUMNS:
            rows, left = rows + 1, _COLUMNS
        more = max(0, width - 1) // _COLUMNS
        rows, left = rows + more, left - (width - more * _COLUMNS) - 1
    return rows


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _clocks() -> tuple[float, float]:
    """Two clocks: the first may stop while the machine sleeps, the second may be set back."""
    return time.monotonic(), time.time()
