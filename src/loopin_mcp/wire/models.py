"""The wire models: requests and responses."""

from datetime import datetime
from typing import Annotated, Self, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel

from loopin_mcp.wire import fields

_T = TypeVar("_T")
# A field that is left out of the JSON if it is None.
Unset = Annotated[_T | None, Field(exclude_if=lambda value: value is None)]


class Wire(BaseModel):
    """A frozen model with camelCase names on the wire."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        # An invalid value may hold a secret.
        hide_input_in_errors=True,
    )


class Request(Wire):
    """A request: it refuses unknown fields by name."""

    model_config = ConfigDict(extra="forbid")


class HostCall(Request):
    """A tool call that a host holds until a human approves it.

    The same call of the same session has the same `digest`, a SHA-256 of all of it.
    """

    session: fields.CallName
    tool: fields.CallName
    digest: fields.CallDigest


class NewInterrupt(Request):
    """A request for a human's approval.

    `expires_in` is in seconds. An approval can be used for `use_within` seconds after it was given.
    A reviewer may change only the keys of the context in `editable`, or all if it is None, and may
    give those in `options` only one of the values there.
    """

    agent_id: fields.AgentId
    user_id: fields.UserId
    action: fields.Action
    context: fields.Context
    urgency: fields.Urgency = "medium"
    expires_in: fields.ExpiresIn = 3600
    callback_url: Unset[fields.CallbackUrl] = Field(default=None, repr=False)
    use_within: Unset[fields.UseWithin] = None
    call: Unset[HostCall] = None
    editable: Unset[fields.Editable] = None
    options: Unset[fields.Options] = None

    @field_validator("editable")
    @classmethod
    def _of_context(
        cls, value: fields.Editable | None, info: ValidationInfo
    ) -> fields.Editable | None:
        for name in value or ():
            _require_key(name, info.data.get("context"))
        return value

    @field_validator("options")
    @classmethod
    def _of_values(
        cls, value: fields.Options | None, info: ValidationInfo
    ) -> fields.Options | None:
        context, editable = info.data.get("context", {}), info.data.get("editable")
        for name, choices in (value or {}).items():
            _require_key(name, info.data.get("context"))
            if editable is not None and name not in editable:
                raise ValueError(
                    f"has values for {fields.shown(name)}, which is not in editable: add it there"
                )
            if name in context and not any(fields.is_same(context[name], it) for it in choices):
                raise ValueError(
                    f"must have the value that the context has for {fields.shown(name)}: add it"
                )
        return value


def _require_key(name: str, context: fields.JSONObject | None) -> None:
    # An invalid context has an error of its own.
    if context is not None and name not in context:
        raise ValueError(
            f"names {fields.shown(name)}, which the context does not have: name keys of the context"
        )


class Decision(Request):
    """A human's decision; with a `payload_digest` it counts only for exactly that payload."""

    decision: fields.Verdict
    reason: Unset[fields.Reason] = None
    modified_params: Unset[fields.ModifiedParams] = None
    payload_digest: Unset[fields.Digest] = None


class Created(Wire):
    """A new interrupt: where the human decides, and until when."""

    interrupt_id: fields.InterruptId
    status: fields.Status
    expires_at: fields.Timestamp = Field(description="When it expires")
    review_url: Unset[str] = Field(default=None, description="Link for the human")


class Interrupt(Wire):
    """An interrupt as it is now, with the decision once there is one."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    # LoopIn 1.0 servers call the id `id` in lists, and only these three fields are always there.
    interrupt_id: fields.InterruptId = Field(
        validation_alias=AliasChoices("interruptId", "interrupt_id", "id")
    )
    status: fields.Status
    action: str = Field(description="What happens if approved")
    agent_id: Unset[str] = Field(default=None, description="Agent that asks")
    user_id: Unset[str] = Field(default=None, description="Human asked")
    context: Unset[fields.ForeignObject] = Field(default=None, description="Facts to decide on")
    urgency: Unset[str] = Field(default=None, description="low, medium or high")
    created_at: Unset[fields.Timestamp] = Field(default=None, description="When created")
    expires_at: Unset[fields.Timestamp] = Field(default=None, description="When it expires")
    review_url: Unset[str] = Field(default=None, description="Link for the human")
    settled_at: Unset[fields.Timestamp] = Field(default=None, description="When settled")
    decision: Unset[str] = Field(default=None, description="approved or rejected")
    decided_at: Unset[fields.Timestamp] = Field(default=None, description="When decided")
    reason: Unset[str] = Field(default=None, description="Why, in the human's words")
    modified_params: Unset[fields.ForeignObject] = Field(
        default=None, description="Values the human changed"
    )
    decided_by: Unset[str] = Field(default=None, description="Who decided")
    decided_via: Unset[str] = Field(
        default=None, description="review-page, inbox, api, mcp or standing-approval"
    )
    use_within: Unset[int] = Field(default=None, description="Seconds in which it may be used")
    used_at: Unset[fields.Timestamp] = Field(default=None, description="When used")
    call: Unset[fields.ForeignObject] = Field(default=None, description="Tool call that is held")
    editable: Unset[tuple[str, ...]] = Field(
        default=None, description="Context keys a human may change; all if missing"
    )
    options: Unset[fields.ForeignObject] = Field(
        default=None, description="Allowed values by context key"
    )
    payload_digest: Unset[str] = Field(default=None, description="SHA-256 of what is asked")
    events_head: Unset[str] = Field(default=None, description="Hash of its last event")

    @property
    def is_pending(self) -> bool:
        """Whether a human may still decide."""
        return self.status == "pending"

    def as_of(self, now: datetime) -> Self:
        """This interrupt, expired if it is due, even if the server has not noticed yet."""
        if self.is_pending and self.expires_at is not None and self.expires_at <= now:
            return self.model_copy(update={"status": "expired", "settled_at": self.expires_at})
        return self


class Decided(Wire):
    """The receipt of a decision; its `status` is `resolved`."""

    interrupt_id: fields.InterruptId
    status: str = Field(description="resolved")
    decision: fields.Verdict
    decided_at: Unset[fields.Timestamp] = Field(default=None, description="When it was decided")


class Cancelled(Wire):
    """The receipt of a cancellation."""

    interrupt_id: fields.InterruptId
    status: str = Field(description="cancelled")


class Used(Wire):
    """The receipt of the only use of an approval."""

    interrupt_id: fields.InterruptId
    status: str = Field(description="used")
    used_at: Unset[fields.Timestamp] = Field(default=None, description="When it was used")


class Event(Wire):
    """One change of an interrupt, chained to the one before it.

    `hash` is the SHA-256 of all other fields in the form of RFC 8785. `previous_hash` is the hash
    of the event before; the first event has an empty one.
    """

    interrupt_id: fields.InterruptId
    sequence: int
    type: str = Field(
        description="created, notified, viewed, decided, cancelled, expired, used, ended, "
        "callback-delivered, callback-given-up or migrated"
    )
    at: fields.Timestamp
    actor: str
    channel: str = Field(description="review-page, inbox, api, mcp, standing-approval or system")
    detail: fields.JSONObject
    previous_hash: str
    hash: str


class PendingPage(Wire):
    """One page of the interrupts that wait for a human, newest first."""

    user_id: str = Field(description="Human asked")
    count: int = Field(description="How many are on this page")
    interrupts: tuple[Interrupt, ...] = Field(description="Newest first")
    next_cursor: Unset[str] = Field(default=None, description="cursor of the next page")


class ActionCount(Wire):
    """How often a type of action was asked about."""

    action: str = Field(description="Type of action")
    count: int = Field(description="How often")


class Analytics(Wire):
    """One user's figures; rate and response times are null until something is decided."""

    user_id: str = Field(description="Human asked")
    total_interrupts: int = Field(description="How many")
    approval_rate: float | None = Field(description="approved / (approved + rejected)")
    avg_response_time_ms: float | None = Field(description="Mean")
    # LoopIn 1.0 servers leave these two out. A default would take null out of the tools' schemas.
    p50_response_time_ms: float | None = Field(default_factory=lambda: None, description="Median")
    p95_response_time_ms: float | None = Field(
        default_factory=lambda: None, description="95th percentile"
    )
    by_status: dict[str, int] = Field(description="Count of each status")
    by_urgency: dict[str, int] = Field(description="Count of each urgency")
    top_action_types: tuple[ActionCount, ...] = Field(description="Most frequent first")


class Health(Wire):
    """The health of an API; `proof` proves that it has a key."""

    status: str
    service: str
    version: Unset[str] = None
    proof: Unset[str] = None


class SignInLink(Wire):
    """A link that signs in one browser, once, within a minute."""

    url: str
    expires_at: Unset[fields.Timestamp] = None
