"""Plans the changes that install or take out LoopIn, before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.files import earlier_texts, naming, read_text, refuse_foreign
from loopin_mcp.install.formats import Object, format_of, object_at
from loopin_mcp.install.handlers import GATE_TIMEOUT_S
from loopin_mcp.install.hosts import HOSTS, GateMode, Hooks, Host
from loopin_mcp.install.jsonc import JSON
from loopin_mcp.install.machine import Machine
from loopin_mcp.install.merging import is_clean, with_parts, without
from loopin_mcp.install.parts import Parts
from loopin_mcp.install.reading import hooks_file, read_entry, read_gate_hooks, sharing_hosts
from loopin_mcp.settings.env_file import env_file_text
from loopin_mcp.settings.settings import Settings

_PREFIX, _URL, USER = "LOOPIN_", "LOOPIN_API_URL", "LOOPIN_USER_ID"


@dataclass(frozen=True)
class Wishes:
    """What a user asked for: settings by variable, and which calls the gate asks about.

    Without a `gate`, each host keeps its own, or gets the first that it can have of prompts, calls
    and off. Hosts without hooks are refused a gate only if the user `named` them.
    """

    environment: Mapping[str, str]
    gate: GateMode | None = None
    match: str | None = None
    named: bool = True


@dataclass(frozen=True)
class Change:
    """A file and its text before and after; None stands for no file.

    `parts` says where LoopIn's parts are in a host's file; a file of LoopIn's own has none.
    """

    path: Path
    before: str | None
    after: str | None
    parts: Parts | None = None


def completed(host: Host, machine: Machine, wishes: Wishes) -> Wishes:
    """The wishes with the human to ask, and with the gate that a host gets.

    That is the gate that it has, if the user names none.

    Raises:
        ConfigurationError: The host cannot have the gate that the user named, nobody is named to be
            asked, or a file cannot be read.
    """
    wishes = _with_user(host, machine, wishes)
    if host.hooks is None:
        if wishes.named and (wishes.gate not in (None, "off") or wishes.match is not None):
            raise ConfigurationError(
                f"The gate does not work in {host.title}: leave out --gate and --match."
            )
        return replace(wishes, gate="off", match=None)
    if wishes.gate == "prompts" and not host.hooks.prompts:
        raise ConfigurationError(
            f"{host.title} asks no hook before it asks its user: use --gate calls, which asks "
            "before every call that --match names."
        )
    if wishes.match is not None and wishes.gate in ("prompts", "off"):
        raise ConfigurationError("--match is for --gate calls: use that, or leave out --match.")
    if wishes.match is not None:
        return replace(wishes, gate="calls")
    return wishes if wishes.gate else _present_gate(host.hooks, host, machine, wishes)


def _with_user(host: Host, machine: Machine, wishes: Wishes) -> Wishes:
    """The wishes with the human to ask, if the host needs one and its entry has none.

    Raises:
        ConfigurationError: Nobody is named.
    """
    settings = _settings_in(host, machine) | {**wishes.environment}
    if has_user(settings):
        return wishes
    named = {USER: machine.environment.get(USER, "").strip()}
    _refuse_bad(settings | named)
    return replace(wishes, environment={**wishes.environment, **named})


def _refuse_bad(settings: Mapping[str, str]) -> None:
    """Refuse settings with which the server or the gate would not work.

    Raises:
        ConfigurationError: They are such.
    """
    Settings.load(settings)
    if not has_user(settings):
        raise ConfigurationError(
            "With the API of a team, LoopIn does not know whom to ask: add --user NAME, the name "
            "of that human."
        )


def has_user(settings: Mapping[str, object]) -> bool:
    """Whether these settings say whom to ask: the embedded API asks the user of the machine."""
    return bool(settings.get(USER) or not settings.get(_URL))


def _present_gate(hooks: Hooks, host: Host, machine: Machine, wishes: Wishes) -> Wishes:
    """The wishes with the gate that is installed, or else with the default one."""
    present = [(hook.event, hook.matcher) for hook in read_gate_hooks(host, machine)]
    calls = [(event, matcher) for event, matcher in present if event != hooks.prompts]
    if not calls:
        return replace(wishes, gate="prompts" if hooks.prompts else "calls")
    is_default = tuple(calls) == hooks.calls
    # A hook without a matcher is for all tools.
    return replace(wishes, gate="calls", match=None if is_default else calls[-1][1] or ".*")


def entry_of(host: Host, launcher: list[str], wishes: Wishes) -> Object:
    """The entry of LoopIn's server in the form of a host."""
    command, *arguments = launcher
    environment: Object = {"env": {**wishes.environment}} if wishes.environment else {}
    return {**host.extra, "command": command, "args": [*arguments], **environment}


def events_of(
    hooks: Hooks, wishes: Wishes, launcher: list[str], machine: Machine
) -> dict[str, list[JSON]]:
    """The hooks of a host, by event."""
    calls = hooks.calls
    if wishes.gate == "off":
        calls = ()
    elif wishes.gate == "prompts" and hooks.prompts:
        calls = ((hooks.prompts, None),)
    elif wishes.match is not None:
        calls = ((hooks.calls[-1][0], wishes.match),)
    return {event: [_element(hooks, matcher, launcher, machine)] for event, matcher in calls}


def _element(hooks: Hooks, matcher: str | None, launcher: list[str], machine: Machine) -> Object:
    """A hook of an event for these tools, or for all."""
    gate = [*launcher, "gate", "--timeout", str(GATE_TIMEOUT_S)]
    group: Object = {}
    # Hosts read patterns in different ways: a word as a whole name, or nothing with a lookahead. So
    # the gate itself reads what a user wrote.
    if hooks.matches and matcher in (default for _, default in hooks.calls):
        group = {} if matcher is None else {"matcher": matcher}
    elif matcher is not None:
        gate += ["--match", matcher]
    handler = hooks.handler(gate, machine)
    return {**group, "hooks": [handler]} if hooks.nested else {**handler, **group}


def wanted_parts(
    host: Host, machine: Machine, wishes: Wishes, launcher: list[str], data_dir: Path
) -> dict[Path, Parts]:
    """The parts that each of a host's files should have. The wishes are those of `completed`.

    Raises:
        ConfigurationError: A file cannot be read, or a setting cannot be used.
    """
    parts = {host.file(machine): Parts(host.key, entry_of(host, launcher, wishes), None)}
    if host.hooks and not (wishes.gate == "off" and sharing_hosts(host, machine)):
        if _gate_settings(host, machine, wishes):
            launcher = [*launcher, "--env-file", str(_env_file(host, machine, data_dir))]
        file = host.hooks.file(machine)
        events = events_of(host.hooks, wishes, launcher, machine)
        servers = parts.get(file, Parts())
        parts[file] = replace(servers, events=events, version=host.hooks.version)
    return parts


def plan_install(
    host: Host, machine: Machine, wishes: Wishes, launcher: list[str], data_dir: Path
) -> list[Change]:
    """The changes to LoopIn's files and to a host's, in the order in which to write them.

    The wishes are those of `completed`.

    Raises:
        ConfigurationError: A file cannot be changed, or a setting cannot be used.
    """
    parts = wanted_parts(host, machine, wishes, launcher, data_dir)
    changes = []
    if any(it.events is not None for it in parts.values()):
        env_file = _env_file(host, machine, data_dir)
        settings = _gate_settings(host, machine, wishes)
        after = env_file_text(settings) if settings else None
        changes.append(Change(env_file, read_text(env_file), after))
    changes += [_install_into(file, wanted) for file, wanted in parts.items()]
    return [change for change in changes if change.before != change.after]


def plan_uninstall(host: Host, machine: Machine, data_dir: Path) -> list[Change]:
    """The changes that take LoopIn out of a host's files; hooks that another host needs stay.

    Raises:
        ConfigurationError: A file cannot be changed.
    """
    parts = {host.file(machine): Parts(host.key, None, None)}
    changes = []
    if host.hooks and not sharing_hosts(host, machine):
        file = host.hooks.file(machine)
        parts[file] = Parts(parts[file].key if file in parts else None, version=host.hooks.version)
        env_file = _env_file(host, machine, data_dir)
        changes.append(Change(env_file, read_text(env_file), None))
    changes = [_take_out_of(file, unwanted) for file, unwanted in parts.items()] + changes
    return [change for change in changes if change.before != change.after]


def _install_into(path: Path, parts: Parts) -> Change:
    before = read_text(path)
    with naming(path):
        after = with_parts(format_of(path), before or "", parts)
    if before is None and not after:
        return Change(path, None, None, parts)
    if after != before:
        refuse_foreign(path)
    return Change(path, before, after, parts)


def _take_out_of(path: Path, parts: Parts) -> Change:
    before = read_text(path)
    if before is None:
        return Change(path, None, None, parts)
    form = format_of(path)
    clean = next((it for it in earlier_texts(path) if is_clean(form, it, parts)), None)
    with naming(path):
        after: str | None = without(form, before, parts, clean)
        if after != before:
            refuse_foreign(path)
            # Nobody had this file before LoopIn.
            if clean is None and form.read(after or "") == {}:
                after = None
    return Change(path, before, after, parts)


def _gate_settings(host: Host, machine: Machine, wishes: Wishes) -> dict[str, str]:
    """The settings of the server, which the gate needs too; hosts give hooks no environment.

    Raises:
        ConfigurationError: One of them cannot be used.
    """
    if wishes.gate == "off":
        return {}
    settings: dict[str, str] = {}
    for it in (*sharing_hosts(host, machine), host):
        settings |= _settings_in(it, machine)
    settings |= wishes.environment
    _refuse_bad(settings)
    return settings


def _settings_in(host: Host, machine: Machine) -> dict[str, str]:
    """The settings in a host's entry.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    present = object_at(read_entry(host, machine), "env")
    return {
        name: value
        for name, value in present.items()
        if name.startswith(_PREFIX) and isinstance(value, str) and value
    }


def _env_file(host: Host, machine: Machine, data_dir: Path) -> Path:
    """LoopIn's file of the gate's settings: one for all hosts that share a file of hooks."""
    file = hooks_file(host, machine)
    first = next(it for it in HOSTS.values() if hooks_file(it, machine) == file)
    return data_dir / "hosts" / f"{first.id}.env"
