"""LoopIn's parts of a configuration file: the entry of the server, and the hooks of the gate."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

from loopin_mcp.install.formats import Object, object_at
from loopin_mcp.install.hook_lines import runs_gate
from loopin_mcp.install.jsonc import JSON, Keys

NAME = "loopin"
HOOKS = "hooks"
# Where handlers have their command lines, for one shell or another.
LINES = ("command", "bash", "powershell", "windows", "linux", "osx")


@dataclass(frozen=True)
class Parts:
    """LoopIn's parts that a file has, or should have.

    `key` is where servers are, and `entry` the server there. `events` has the hooks of each
    event; None leaves the hooks in a file as they are.
    """

    key: str | None = None
    entry: Object | None = None
    events: dict[str, list[JSON]] | None = field(default_factory=dict)
    version: int | None = None


def parts_of(value: Object, key: str | None, version: int | None = None) -> Parts:
    """LoopIn's parts of what a file holds."""
    entry = object_at(value, key).get(NAME) if key else None
    events = {
        event: own
        for event, elements in object_at(value, HOOKS).items()
        if isinstance(elements, list) and (own := [e for e in elements if _is_own(e)])
    }
    return Parts(key, entry if isinstance(entry, dict) else None, events, version)


def own_places(value: Object) -> list[Keys]:
    """The places of the gate's hooks, the last of a list first."""
    places = [
        (HOOKS, event, *place)
        for event, elements in object_at(value, HOOKS).items()
        if isinstance(elements, list)
        for number, element in enumerate(elements)
        for place in _places_in(element, number)
    ]
    return places[::-1]


def without_parts(value: Object, key: str | None, version: int | None) -> Object:
    """All else that a file holds, without the empty containers that parts may leave."""
    rest = copy.deepcopy(value)
    for place in own_places(rest):
        _delete(rest, place)
    if key:
        object_at(rest, key).pop(NAME, None)
    hooks = object_at(rest, HOOKS)
    for event in [event for event, elements in hooks.items() if elements == []]:
        del hooks[event]
    for name in filter(None, (key, HOOKS)):
        if rest.get(name) == {}:
            del rest[name]
    if version is not None and rest.get("version") == version:
        del rest["version"]
    return rest


def handlers_of(element: JSON) -> list[Object]:
    """The handlers in an element of an event: those of a group, or the element itself."""
    if not isinstance(element, dict):
        return []
    handlers = element.get(HOOKS, [element])
    return [it for it in handlers if isinstance(it, dict)] if isinstance(handlers, list) else []


def gate_lines(handler: JSON) -> list[str]:
    """The command lines of a handler that run the gate."""
    lines = [handler.get(name) for name in LINES] if isinstance(handler, dict) else []
    return [line for line in lines if isinstance(line, str) and runs_gate(line)]


def _is_own(element: JSON) -> bool:
    """Whether an element does nothing but run the gate."""
    handlers = handlers_of(element)
    return bool(handlers) and all(map(gate_lines, handlers))


def _places_in(element: JSON, number: int) -> Iterator[Keys]:
    if _is_own(element):
        yield (number,)
    elif isinstance(element, dict) and isinstance(handlers := element.get(HOOKS), list):
        for place, handler in enumerate(handlers):
            if gate_lines(handler):
                yield (number, HOOKS, place)


def _delete(value: JSON, place: Keys) -> None:
    *way, last = place
    for key in way:
        value = value[key]  # type: ignore[index]  # own_places found it
    del value[last]  # type: ignore[union-attr, arg-type]  # own_places found it
