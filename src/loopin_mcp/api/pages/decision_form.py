"""The form of a decision: what the human typed, and the decision it makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from loopin_mcp.api.rest.requests import read_form
from loopin_mcp.wire.models import Decision
from loopin_mcp.wire.validation import faults, parse_json

FIELDS = ("decision", "reason", "modifiedParams", "payloadDigest")


@dataclass(frozen=True)
class Entry:
    """What the human typed into the form, and what is wrong with it by field name.

    `payload_digest` is the digest of what the page showed; empty if the form has none.
    """

    decision: str = ""
    reason: str = ""
    modified_params: str = ""
    payload_digest: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)

    def checked(self) -> "Decision | Entry":
        """The decision, without blank fields, or this entry with what is wrong with it."""
        typed: dict[str, Any] = {"decision": self.decision}
        wrong: dict[str, str] = {}
        if self.payload_digest:
            typed["payloadDigest"] = self.payload_digest
        if self.reason.strip():
            typed["reason"] = self.reason
        if self.modified_params.strip():
            try:
                typed["modifiedParams"] = parse_json(self.modified_params)
            except ValueError as error:
                wrong["modifiedParams"] = str(error)
        if typed.get("modifiedParams", {}) is None:
            # The model would take a null for a field that was left out.
            wrong["modifiedParams"] = "must be a JSON object"
        try:
            decision = Decision.model_validate(typed, by_alias=True, by_name=False)
        except ValidationError as error:
            return replace(self, faults=wrong | faults(error))
        return replace(self, faults=wrong) if wrong else decision


async def read_entry(request: Request) -> Entry:
    """The form in a request.

    Raises:
        UnsupportedTypeError: The body is not declared as a form.
        TooLargeError: The body is over the limit.
        InvalidRequestError: The form cannot be read, or has an unknown field.
    """
    form = await read_form(request, FIELDS)
    return Entry(
        decision=form.get("decision", ""),
        reason=form.get("reason", ""),
        modified_params=form.get("modifiedParams", ""),
        payload_digest=form.get("payloadDigest", ""),
    )
