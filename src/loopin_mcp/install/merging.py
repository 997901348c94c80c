"""Writes LoopIn's parts into the text of a file, and takes them out, and nothing else."""

from dataclasses import replace

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.formats import Format, Object, object_at
from loopin_mcp.install.jsonc import JSON, Keys
from loopin_mcp.install.parts import HOOKS, NAME, Parts, own_places, parts_of, without_parts


def with_parts(form: Format, text: str, parts: Parts) -> str:
    """The text with these parts; other members of an entry, and other variables, stay.

    Raises:
        ConfigurationError: The text cannot be read, or cannot hold them.
    """
    after = text
    if parts.key and parts.entry is not None:
        after = _with_entry(form, after, parts.key, parts.entry)
    if parts.events is not None:
        after = _with_hooks(form, after, parts)
    _prove_rest(form, text, after, parts)
    return after


def without(form: Format, text: str, parts: Parts, clean: str | None) -> str:
    """The text without the entry of these parts, and without the hooks unless `events` is None.

    `clean` is the text before LoopIn came in: a container that it has stays when it is empty. If
    LoopIn is all that came in since, the result is that text.

    Raises:
        ConfigurationError: The text cannot be read.
    """
    present = parts_of(form.read(text), parts.key, parts.version)
    if parts.events is None:
        present = replace(present, events=None)
    if clean is not None and _gives(form, clean, present, text):
        return clean
    had = form.read(clean) if clean is not None else {}
    after = text
    if parts.key and present.entry is not None:
        after = form.drop(after, (parts.key, NAME))
        if form.read(after).get(parts.key) == {} and parts.key not in had:
            after = form.drop(after, (parts.key,))
    if parts.events is not None:
        after = _without_hooks(form, after, had)
        if form.read(after) == {"version": parts.version} and "version" not in had:
            after = form.drop(after, ("version",))
    _prove_rest(form, text, after, parts)
    return after


def is_clean(form: Format, text: str, parts: Parts) -> bool:
    """Whether a text can be read and has nothing of LoopIn."""
    try:
        value = form.read(text)
    except ConfigurationError:
        return False
    return parts_of(value, parts.key).entry is None and not own_places(value)


def _with_entry(form: Format, text: str, key: str, entry: Object) -> str:
    place = (key, NAME)
    present = parts_of(form.read(text), key).entry
    if present is None:
        return form.put(text, place, entry)
    for name, value in entry.items():
        if name == "env" and isinstance(value, dict) and isinstance(present.get(name), dict):
            for variable, setting in value.items():
                if object_at(present, name).get(variable) != setting:
                    text = form.put(text, (*place, name, variable), setting)
        elif present.get(name) != value:
            text = form.put(text, (*place, name), value)
    return text


def _with_hooks(form: Format, text: str, parts: Parts) -> str:
    value = form.read(text)
    places, events = own_places(value), parts.events or {}
    present = parts_of(value, None).events or {}
    if present == events and len(places) == sum(map(len, present.values())):
        return text
    if events and parts.version is not None and "version" not in value:
        text = form.put(text, ("version",), parts.version)
    for place in places:
        text = form.drop(text, place)
    for event, elements in events.items():
        for element in elements:
            text = _with_element(form, text, event, element)
    return _without_emptied(form, text, places, {})


def _with_element(form: Format, text: str, event: str, element: JSON) -> str:
    events = object_at(form.read(text), HOOKS)
    if event not in events:
        return form.put(text, (HOOKS, event), [element])
    listed = events[event]
    number = len(listed) if isinstance(listed, list) else 0
    return form.put(text, (HOOKS, event, number), element)


def _without_hooks(form: Format, text: str, had: Object) -> str:
    places = own_places(form.read(text))
    for place in places:
        text = form.drop(text, place)
    return _without_emptied(form, text, places, had)


def _without_emptied(form: Format, text: str, places: list[Keys], had: Object) -> str:
    """The text without the lists that these places leave empty, unless they were there before."""
    for event in dict.fromkeys(str(place[1]) for place in places):
        is_empty = object_at(form.read(text), HOOKS).get(event) == []
        if is_empty and event not in object_at(had, HOOKS):
            text = form.drop(text, (HOOKS, event))
    if places and form.read(text).get(HOOKS) == {} and HOOKS not in had:
        text = form.drop(text, (HOOKS,))
    return text


def _gives(form: Format, clean: str, present: Parts, text: str) -> bool:
    """Whether LoopIn's parts are all that makes a text differ from an earlier one."""
    try:
        return with_parts(form, clean, present) == text
    except ConfigurationError:
        return False


def _prove_rest(form: Format, before: str, after: str, parts: Parts) -> None:
    """Refuse an edit that changes anything else.

    Raises:
        ConfigurationError: It does.
    """
    rest = [without_parts(form.read(it), parts.key, parts.version) for it in (before, after)]
    if rest[0] != rest[1]:
        raise ConfigurationError("written in a way that cannot be edited safely")
