"""Who may import whom, held true."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "loopin_mcp"
LEAVES = {
    "api.clock",
    "desktop",
    "errors",
    "faults",
    "fields",
    "models",
    "parsing",
    "plain",
    "reviewers",
    "settings",
    "values",
    "version",
}
MAY_IMPORT: dict[str, set[str]] = {
    "desktop": set(),
    "errors": set(),
    "fields": {"plain", "values"},
    "models": {"fields"},
    "parsing": set(),
    "plain": set(),
    "reviewers": {"errors", "values"},
    "settings": {"desktop", "errors", "reviewers", "values"},
    "values": {"errors"},
    "version": set(),
    "faults": set(),
    "addresses": LEAVES,
    "answers": LEAVES,
    "retries": LEAVES | {"transport"},
    "transport": LEAVES | {"addresses", "answers"},
    "client": LEAVES | {"addresses", "answers", "retries", "transport"},
    "results": LEAVES,
    "toolbox": LEAVES,
    "prompts": LEAVES | {"calls", "toolbox"},
    "api.actions": set(),
    "api.visible": {"plain"},
    "api.searching": LEAVES,
    "api.filewatch": set(),
    "api.canonical": set(),
    "api.statements": set(),
    "api.rows": LEAVES | {"api.statements"},
    "api.reading": LEAVES | {"api.rows", "api.statements"},
    "api.payloads": LEAVES | {"api.canonical"},
    "api.states": LEAVES | {"api.payloads", "api.rows", "api.statements"},
    "api.events": LEAVES | {"api.actors", "api.canonical", "api.rows", "api.statements"},
    "api.creating": LEAVES
    | {
        "api.actions",
        "api.actors",
        "api.canonical",
        "api.events",
        "api.payloads",
        "api.rows",
        "api.searching",
        "api.statements",
    },
    "api.settling": LEAVES
    | {
        "api.actors",
        "api.events",
        "api.payloads",
        "api.reading",
        "api.rows",
        "api.statements",
    },
    "api.migrations": LEAVES | {"api.statements"},
    "api.upgrades": LEAVES
    | {
        "api.actors",
        "api.clock",
        "api.events",
        "api.settling",
        "api.statements",
        "api.states",
    },
    "api.opening": LEAVES
    | {
        "api.archive",
        "api.database",
        "api.migrations",
        "api.postgres",
        "api.statements",
        "api.upgrades",
    },
    "api.breakdowns": LEAVES,
    "api.sqlite_setup": LEAVES | {"api.migrations", "api.statements"},
    "api.sqlite_faults": {"api.breakdowns"},
    "api.sqlite_file": {"api.sqlite_faults", "api.sqlite_setup", "api.statements"},
    "api.database": LEAVES
    | {
        "api.breakdowns",
        "api.filewatch",
        "api.migrations",
        "api.sqlite_faults",
        "api.sqlite_file",
        "api.sqlite_setup",
        "api.statements",
    },
    "api.postgres": LEAVES | {"api.breakdowns", "api.migrations", "api.statements"},
    "api.changes": LEAVES,
    "api.clock": set(),
    "api.callbacks": LEAVES
    | {"api.actors", "api.database", "api.events", "api.rows", "api.statements"},
    "api.due_notices": LEAVES
    | {
        "api.actors",
        "api.database",
        "api.events",
        "api.reading",
        "api.rows",
        "api.statements",
    },
    "api.figures": LEAVES | {"api.database", "api.rows", "api.statements"},
    "api.archive": LEAVES
    | {
        "api.migrations",
        "api.sqlite_setup",
        "api.statements",
    },
    "api.records": LEAVES
    | {
        "api.archive",
        "api.canonical",
        "api.events",
        "api.rows",
        "api.statements",
        "api.states",
    },
    "api.heads": LEAVES | {"api.archive", "api.rows", "api.statements"},
    "api.audit": LEAVES | {"api.archive", "api.heads", "api.records", "api.rows", "api.statements"},
    "api.retention": LEAVES | {"api.creating", "api.database", "api.statements"},
    "api.overview": LEAVES
    | {"api.database", "api.reading", "api.rows", "api.searching", "api.statements"},
    "api.store": LEAVES
    | {
        "api.actors",
        "api.callbacks",
        "api.changes",
        "api.creating",
        "api.database",
        "api.events",
        "api.figures",
        "api.due_notices",
        "api.overview",
        "api.reading",
        "api.retention",
        "api.rows",
        "api.settling",
        "api.statements",
    },
    "api.housekeeping": LEAVES | {"api.clock", "api.outages", "api.store"},
    "api.waiting": LEAVES | {"api.outages", "api.clock", "api.store"},
    "api.outages": LEAVES,
    "api.preferences": set(),
    "api.idempotency": LEAVES,
    "api.bodies": LEAVES,
    "api.keys": LEAVES | {"api.options"},
    "api.door": LEAVES | {"api.clock", "api.keys"},
    "api.limits": LEAVES,
    "api.endings": LEAVES | {"api.guards"},
    "api.connections": LEAVES | {"api.bodies", "api.limits"},
    "api.guards": LEAVES | {"api.actors", "api.door", "api.keys"},
    "api.health": LEAVES,
    "api.interrupts": LEAVES
    | {
        "api.bodies",
        "api.clock",
        "api.creating",
        "api.destinations",
        "api.guards",
        "api.idempotency",
        "api.keys",
        "api.limits",
        "api.preferences",
        "api.store",
        "api.waiting",
    },
    "api.operations": LEAVES | {"api.bodies", "api.idempotency", "api.limits", "api.preferences"},
    "api.openapi": LEAVES | {"api.interrupts", "api.operations", "api.options", "api.rows"},
    "api.lookups": set(),
    "api.destinations": LEAVES | {"api.lookups", "api.options"},
    "api.signatures": set(),
    "api.webhooks": LEAVES
    | {
        "api.callbacks",
        "api.clock",
        "api.destinations",
        "api.outages",
        "api.signatures",
        "api.store",
    },
    "api.services": LEAVES,
    "api.channels": LEAVES | {"api.services"},
    "api.notices": LEAVES
    | {
        "api.outages",
        "api.channels",
        "api.clock",
        "api.due_notices",
        "api.rows",
        "api.services",
        "api.store",
    },
    "api.opener": LEAVES | {"api.clock", "api.live", "api.sessions", "api.store"},
    "api.entry": LEAVES | {"api.bodies"},
    "api.browser": LEAVES,
    "api.sessions": LEAVES | {"api.browser", "api.clock", "api.keys"},
    "api.live": LEAVES
    | {
        "api.clock",
        "api.interrupts",
        "api.limits",
        "api.sessions",
        "api.store",
        "api.waiting",
    },
    "api.differences": LEAVES | {"api.canonical"},
    "api.pages": LEAVES
    | {
        "api.actors",
        "api.browser",
        "api.clock",
        "api.differences",
        "api.payloads",
        "api.rows",
        "api.visible",
    },
    "api.trails": LEAVES | {"api.events", "api.pages", "api.payloads", "api.states"},
    "api.review_page": LEAVES | {"api.entry", "api.pages", "api.trails"},
    "api.review": LEAVES
    | {
        "api.actors",
        "api.clock",
        "api.browser",
        "api.entry",
        "api.interrupts",
        "api.pages",
        "api.payloads",
        "api.review_page",
        "api.sessions",
        "api.store",
        "api.trails",
    },
    "api.inbox": LEAVES
    | {
        "api.bodies",
        "api.browser",
        "api.clock",
        "api.interrupts",
        "api.overview",
        "api.pages",
        "api.review",
        "api.review_page",
        "api.sessions",
        "api.store",
    },
    "api.access": LEAVES
    | {
        "api.bodies",
        "api.browser",
        "api.clock",
        "api.door",
        "api.guards",
        "api.keys",
        "api.pages",
        "api.rows",
        "api.sessions",
    },
    "api.charts": set(),
    "api.report": LEAVES | {"api.charts", "api.figures"},
    "api.analytics": LEAVES
    | {
        "api.bodies",
        "api.clock",
        "api.figures",
        "api.pages",
        "api.report",
        "api.sessions",
        "api.store",
    },
    "api.shared": LEAVES
    | {
        "api.clock",
        "api.destinations",
        "api.keys",
        "api.limits",
        "api.live",
        "api.options",
        "api.sessions",
        "api.store",
    },
    "api.actors": set(),
    "api.options": LEAVES,
    "api.app": LEAVES
    | {
        "api.access",
        "api.analytics",
        "api.clock",
        "api.door",
        "api.guards",
        "api.health",
        "api.inbox",
        "api.interrupts",
        "api.limits",
        "api.live",
        "api.openapi",
        "api.options",
        "api.pages",
        "api.review",
        "api.sessions",
        "api.shared",
        "api.store",
    },
    "api.serving": LEAVES
    | {
        "api.statements",
        "api.app",
        "api.channels",
        "api.clock",
        "api.connections",
        "api.database",
        "api.endings",
        "api.guards",
        "api.health",
        "api.housekeeping",
        "api.limits",
        "api.notices",
        "api.opener",
        "api.opening",
        "api.options",
        "api.shared",
        "api.store",
        "api.waiting",
        "api.webhooks",
    },
    "embedded": LEAVES
    | {
        "addresses",
        "api.channels",
        "api.database",
        "api.health",
        "api.limits",
        "api.opening",
        "api.options",
        "api.serving",
        "client",
        "transport",
    },
    "forms": LEAVES,
    "calls": LEAVES | {"addresses", "client", "embedded", "forms"},
    "confirmation": LEAVES | {"calls", "forms"},
    "progress": LEAVES | {"calls"},
    "server": LEAVES
    | {"calls", "confirmation", "forms", "progress", "prompts", "results", "toolbox"},
    "stdio": set(),
    "inbox": LEAVES | {"addresses", "client", "embedded"},
    "demo": LEAVES,
    "cli": LEAVES
    | {
        "api.audit",
        "api.notices",
        "api.opening",
        "api.serving",
        "demo",
        "inbox",
        "server",
        "stdio",
    },
    "__main__": {"cli"},
}
THIRD_PARTY = {
    "httpx": {"client", "transport", "api.destinations", "api.webhooks"},
    "mcp": {"calls", "confirmation", "prompts", "server", "stdio", "toolbox", "demo"},
    "mcp_types": {"confirmation", "server", "stdio", "toolbox", "demo"},
    "uvicorn": {"api.serving"},
    "psycopg": {"api.postgres"},
    "psycopg_pool": {"api.postgres"},
    "sqlite3": {
        "api.archive",
        "api.database",
        "api.sqlite_faults",
        "api.sqlite_file",
        "api.sqlite_setup",
    },
    "click": {"cli"},
    "apprise": {"api.services"},
    "httpx2": set(),
}
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts): path
    for path in SOURCE.rglob("*.py")
    if path.name != "__init__.py"
}


def imports_of(module: str) -> set[str]:
    """Every module a file imports, wherever in the file it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def own_imports_of(module: str) -> set[str]:
    prefix = "loopin_mcp."
    return {name.removeprefix(prefix) for name in imports_of(module) if name.startswith(prefix)}


def test_every_module_has_its_layer() -> None:
    assert set(MAY_IMPORT) == set(MODULES)


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_module_imports_what_its_layer_may(module: str) -> None:
    assert own_imports_of(module) <= MAY_IMPORT[module]


@pytest.mark.parametrize("library", THIRD_PARTY)
def test_library_is_known_to_its_own_modules_alone(library: str) -> None:
    users = {
        module
        for module in MODULES
        if any(name.partition(".")[0] == library for name in imports_of(module))
    }

    assert users <= THIRD_PARTY[library]


def test_client_and_api_do_not_know_each_other() -> None:
    api = {module for module in MODULES if module.startswith("api.")}

    assert not any("client" in own_imports_of(module) for module in api)
    for module in ("client", "addresses", "answers", "retries", "transport"):
        assert not any(name.startswith("api.") for name in own_imports_of(module))


def test_starlette_stays_in_the_api() -> None:
    users = {
        module
        for module in MODULES
        if any(name.partition(".")[0] == "starlette" for name in imports_of(module))
    }

    assert all(module.startswith("api.") for module in users)


def test_only_the_command_and_the_settings_see_the_environment() -> None:
    readers = {
        module
        for module, path in MODULES.items()
        if "os.environ" in path.read_text(encoding="utf-8")
        or "getenv" in path.read_text(encoding="utf-8")
    }

    assert readers == {"cli"}
