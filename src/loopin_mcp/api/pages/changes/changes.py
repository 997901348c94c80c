"""What a form changes of a request: read from its fields and its JSON, and shown in them again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice

from pydantic_core import from_json, to_json

from loopin_mcp.api.audit.digests import canonical
from loopin_mcp.api.pages.changes.json_text import read_object
from loopin_mcp.api.pages.changes.value_fields import ValueField, value_fields
from loopin_mcp.api.store.outcomes import Changeable
from loopin_mcp.errors import InvalidRequestError
from loopin_mcp.wire.fields import JSONObject, shown
from loopin_mcp.wire.models import Interrupt

JSON = "modifiedParams"
# The script gets the keys if they are not longer, and warns of others at once.
MOST_KEYS_BYTES = 4096
_MOST_NAMED, _MOST_COMPARED, _LONGEST_COMPARED = 3, 500, 60


@dataclass(frozen=True)
class Changes:
    """The values that differ from the proposed ones, what is wrong by field, and the new keys."""

    params: JSONObject
    faults: Mapping[str, str] = field(default_factory=dict)
    new_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class FieldRow:
    """A field as the page shows it: what was typed into it, and what is wrong with that."""

    field: ValueField
    typed: str
    fault: str

    @property
    def is_changed(self) -> bool:
        """Whether it differs from the proposed value."""
        return self.typed != self.field.proposed

    @property
    def words(self) -> str:
        """What was typed or chosen, in words."""
        return self.field.labels.get(self.typed, self.typed)


@dataclass(frozen=True)
class ChangeForm:
    """The part of the form that changes values, for an interrupt and what was typed."""

    interrupt: Interrupt
    values: Mapping[str, str]
    json_text: str
    faults: Mapping[str, str]
    new_keys: Sequence[str]

    @property
    def allows(self) -> bool:
        """Whether anything may be changed."""
        return self.interrupt.editable is None or len(self.interrupt.editable) > 0

    @property
    def rows(self) -> tuple[FieldRow, ...]:
        """A row for each field."""
        return tuple(
            FieldRow(
                each, self.values.get(each.name, each.proposed), self.faults.get(each.name, "")
            )
            for each in value_fields(self.interrupt)
        )

    @property
    def changed(self) -> tuple[FieldRow, ...]:
        """The rows that differ from the proposed values."""
        return tuple(row for row in self.rows if row.is_changed)

    @property
    def others(self) -> int:
        """How many values that may be changed have no field."""
        context, editable = self.interrupt.context or {}, self.interrupt.editable
        return len(context if editable is None else editable) - len(self.rows)

    @property
    def count(self) -> int:
        """How many values are changed, as far as they can be read."""
        typed = {row.field.key for row in self.changed}
        return len(typed | set(read_changes(self.interrupt, self.values, self.json_text).params))

    @property
    def with_changes(self) -> str:
        """What the button that approves says of the changes, if there are any."""
        count = self.count
        return f"with {count} change{'s' if count > 1 else ''}" if count else ""

    @property
    def is_open(self) -> bool:
        """Whether something was changed, or is wrong."""
        return self.is_json_open or bool(self.changed)

    @property
    def is_json_open(self) -> bool:
        """Whether JSON was typed, or is wrong."""
        return bool(self.json_text.strip()) or JSON in self.faults

    @property
    def known_keys(self) -> str | None:
        """The keys that JSON may have, as JSON for the script; None if they are many."""
        context, editable = self.interrupt.context or {}, self.interrupt.editable
        text = to_json(list(context) if editable is None else list(editable)).decode()
        return text if len(text) <= MOST_KEYS_BYTES else None

    @property
    def warned(self) -> str:
        """The keys that the reviewer is warned of, as JSON."""
        return to_json(list(self.new_keys)).decode()

    @property
    def example(self) -> str:
        """JSON as it could be, with a key that may be changed if there are few."""
        example: JSONObject = {"command": "git push"} if self.interrupt.call else {"amount": 100}
        if (editable := self.interrupt.editable) and not example.keys() <= {*editable}:
            example = {editable[0]: "…"}
        return to_json(example).decode().replace(":", ": ")


def read_changes(
    interrupt: Interrupt,
    values: Mapping[str, str],
    json_text: str,
    confirmed: Sequence[str] | None = None,
) -> Changes:
    """What is changed by fields and by JSON; `confirmed` are the new keys that are meant.

    Raises:
        InvalidRequestError: A field is not of this request.
    """
    allowed = Changeable(interrupt.context or {}, interrupt.editable, interrupt.options or {})
    typed, faults = _read_fields(interrupt, values)
    by_field, by_json = allowed.changes(typed), JSONObject()
    if json_text.strip():
        try:
            by_json = allowed.changes(read_object(json_text))
        except ValueError as error:
            faults[JSON] = str(error)
    params = by_field | by_json
    new_keys = tuple(key for key in by_json if key not in allowed.context)
    refusals = allowed.faults(params)
    for fault in (
        *_conflicts(by_field, by_json),
        *(f"has a change that is not allowed: {refusal}" for refusal in refusals.values()),
        *_warnings(new_keys, confirmed, allowed),
    ):
        faults.setdefault(JSON, fault)
    return Changes(params, faults, new_keys)


def keys_in(text: str) -> tuple[str, ...]:
    """The keys in a JSON list; none if it is not one."""
    try:
        found = from_json(text)
    except ValueError:
        return ()
    return tuple(key for key in found if isinstance(key, str)) if isinstance(found, list) else ()


def _read_fields(
    interrupt: Interrupt, values: Mapping[str, str]
) -> tuple[JSONObject, dict[str, str]]:
    """The values of fields by their keys, and what is wrong with the others by their names."""
    fields = {each.name: each for each in value_fields(interrupt)}
    read, faults = JSONObject(), dict[str, str]()
    for name, typed in values.items():
        if name not in fields:
            raise InvalidRequestError(f"{name} is not a field of this request")
        try:
            read[fields[name].key] = fields[name].read(typed)
        except ValueError as error:
            faults[name] = str(error)
    return read, faults


def _conflicts(by_field: JSONObject, by_json: JSONObject) -> Iterator[str]:
    for key in by_field.keys() & by_json.keys():
        if canonical(by_field[key]) != canonical(by_json[key]):
            yield f"changes {shown(key)}, which its own field changes, too: change it in one place"


def _warnings(
    new_keys: Sequence[str], confirmed: Sequence[str] | None, allowed: Changeable
) -> Iterator[str]:
    unknown = [key for key in new_keys if confirmed is not None and key not in confirmed]
    if not unknown or allowed.editable is not None:
        return
    names = ", ".join(map(shown, unknown[:_MOST_NAMED]))
    more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
    known = [key[:_LONGEST_COMPARED] for key in islice(allowed.context, _MOST_COMPARED)]
    alike = get_close_matches(unknown[0][:_LONGEST_COMPARED], known, n=1)
    meant = f" Did you mean {shown(alike[0])}?" if alike else ""
    yield (
        f"has {names}{more}, which the request does not have.{meant} Correct it, or decide again "
        "to add it as it is"
    )
