"""What a human typed into the form of a decision, and the decision it makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue, ValidationError
from starlette.requests import Request

from loopin_mcp.api.rest.requests import read_form
from loopin_mcp.wire.models import Decision
from loopin_mcp.wire.validation import faults, parse_json

FIELDS = ("decision", "reason", "modifiedParams", "payloadDigest")


@dataclass(frozen=True)
class Entry:
    """What the human typed into the form, and what is wrong with it by field name.

    `payload_digest` is that of what they were shown, or empty where it is not known.
    """

    decision: str = ""
    reason: str = ""
    modified_params: str = ""
    payload_digest: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)

    def checked(self) -> "Decision | Entry":
        """The decision, blank fields left out, or this entry with what is wrong with it."""
        typed: dict[str, Any] = {"decision": self.decision}
        wrong: dict[str, str] = {}
        if self.payload_digest:
            typed["payloadDigest"] = self.payload_digest
        if self.reason.strip():
            typed["reason"] = self.reason
        if self.modified_params.strip():
            try:
                typed["modifiedParams"] = _parameters(self.modified_params)
            except ValueError as error:
                wrong["modifiedParams"] = str(error)
        try:
            decision = Decision.model_validate(typed, by_alias=True, by_name=False)
        except ValidationError as error:
            return replace(self, faults=wrong | faults(error))
        return replace(self, faults=wrong) if wrong else decision


async def read_entry(request: Request) -> Entry:
    """The form that a request carries.

    Raises:
        UnsupportedTypeError: The body is not declared to be a form.
        TooLargeError: It is over the limit.
        InvalidRequestError: It cannot be read, or holds a field that the form does not have.
    """
    form = await read_form(request, FIELDS)
    return Entry(
        decision=form.get("decision", ""),
        reason=form.get("reason", ""),
        modified_params=form.get("modifiedParams", ""),
        payload_digest=form.get("payloadDigest", ""),
    )


def _parameters(text: str) -> JsonValue:
    """What the JSON text holds.

    Raises:
        ValueError: It is refused by `parse_json`, or a null, which would count as left out.
    """
    value = parse_json(text)
    if value is None:
        raise ValueError("must be a JSON object")
    return value
