"""The form of a decision: what the human typed, and the decision it makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from pydantic import ValidationError
from starlette.requests import Request

from loopin_mcp.api.pages.changes.changes import Changes, keys_in, read_changes
from loopin_mcp.api.pages.changes.value_fields import MOST_FIELDS, NAME
from loopin_mcp.api.rest.requests import MAX_FORM_FIELDS, read_form
from loopin_mcp.api.store.outcomes import STANDING_LENGTHS_S, Standing
from loopin_mcp.errors import InvalidRequestError
from loopin_mcp.wire.fields import Scope
from loopin_mcp.wire.models import Decision, Interrupt
from loopin_mcp.wire.validation import faults

FIELDS = (
    "decision",
    "reason",
    "usualReason",
    "modifiedParams",
    "newKeys",
    "payloadDigest",
    "standing",
    "confirmed",
)
# How long a standing approval can last, in words.
_LENGTHS = ("15 minutes", "1 hour", "4 hours", "8 hours")
STANDING_LENGTHS = dict(zip(STANDING_LENGTHS_S, _LENGTHS, strict=True))
# The choices of the form, by their values.
STANDINGS = {
    f"{scope} {seconds}": Standing(scope, seconds)
    for scope in get_args(Scope)
    for seconds in STANDING_LENGTHS
}


@dataclass(frozen=True)
class Entry:
    """What the human typed into the form, and what is wrong with it by field name.

    `usual_reason` is the reason to reject that they chose, which counts if they typed none.
    `payload_digest` is the digest of what the page showed; empty if the form has none. `confirmed`
    is the decision that the page asked for once more. `values` are the fields for single values,
    and `new_keys` the unknown keys that the page warned of.
    """

    decision: str = ""
    reason: str = ""
    modified_params: str = ""
    payload_digest: str = ""
    standing: str = ""
    usual_reason: str = ""
    confirmed: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    new_keys: Sequence[str] = ()
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def grant(self) -> Standing | None:
        """How the approval stands, if it is one and covers more than this request."""
        return STANDINGS.get(self.standing) if self.decision == "approved" else None

    @property
    def given_reason(self) -> str:
        """The reason that was typed or, for a rejection, chosen."""
        chosen = self.usual_reason if self.decision == "rejected" else ""
        return self.reason if self.reason.strip() else chosen

    def checked(self, interrupt: Interrupt | None = None) -> "Decision | Entry":
        """The decision with what it changes of a request, or this entry with what is wrong with it.

        Raises:
            InvalidRequestError: It has a field that a form for this request does not have.
        """
        typed: dict[str, Any] = {"decision": self.decision}
        changes = self._changes_of(interrupt) if interrupt else Changes({})
        wrong = dict(changes.faults)
        if self.payload_digest:
            typed["payloadDigest"] = self.payload_digest
        if self.given_reason.strip():
            typed["reason"] = self.given_reason
        if changes.params:
            typed["modifiedParams"] = changes.params
        if self.standing and self.standing not in STANDINGS:
            wrong["standing"] = "must be one of the choices"
        elif self.grant and changes.params:
            wrong["standing"] = "can cover further calls only without changes"
        try:
            decision = Decision.model_validate(typed, by_alias=True, by_name=False)
        except ValidationError as error:
            wrong |= faults(error)
        if wrong:
            return replace(self, faults=wrong, new_keys=changes.new_keys)
        return decision

    def _changes_of(self, interrupt: Interrupt) -> Changes:
        if self.values and not self.payload_digest:
            raise InvalidRequestError("payloadDigest is required with changed values")
        return read_changes(interrupt, self.values, self.modified_params, self.new_keys)


async def read_entry(request: Request) -> Entry:
    """The form in a request.

    Raises:
        UnsupportedTypeError: The body is not declared as a form.
        TooLargeError: The body is over the limit.
        InvalidRequestError: The form cannot be read, or has an unknown field.
    """
    form = await read_form(request, FIELDS, NAME, MAX_FORM_FIELDS + MOST_FIELDS)
    return Entry(
        decision=form.get("decision", ""),
        reason=form.get("reason", ""),
        modified_params=form.get("modifiedParams", ""),
        payload_digest=form.get("payloadDigest", ""),
        standing=form.get("standing", ""),
        usual_reason=form.get("usualReason", ""),
        confirmed=form.get("confirmed", ""),
        values={name: value for name, value in form.items() if NAME.fullmatch(name)},
        new_keys=keys_in(form.get("newKeys", "")),
    )
