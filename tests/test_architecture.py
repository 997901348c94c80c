"""Which folder may import which: one table."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "loopin_mcp"
MOST_ENTRIES = 14
# Python gives these names.
PRESCRIBED = {"__init__.py", "__main__.py", "__pycache__", "py.typed"}

# A folder, or a module outside of all folders, and the others whose modules it may import.
GROUND = {"errors", "desktop", "version", "api.clock", "telemetry"}
MAY_IMPORT = {
    **{module: set() for module in GROUND},
    "telemetry": {"version"},
    "settings": GROUND,
    "wire": GROUND | {"settings"},
    "client": GROUND | {"settings", "wire"},
    "api.access": GROUND | {"settings", "wire"},
    "api.database": GROUND | {"settings", "wire"},
    "api.audit": GROUND | {"settings", "wire", "api.access", "api.database"},
    "api.store": GROUND | {"settings", "wire", "api.access", "api.database", "api.audit"},
}
BELOW_THE_DOOR = set(MAY_IMPORT) - {"client"}
MAY_IMPORT |= {
    "api.outbox": BELOW_THE_DOOR,
    "api.rest": BELOW_THE_DOOR | {"api.outbox"},
    "api.pages": BELOW_THE_DOOR | {"api.outbox", "api.rest"},
    "api.metrics": BELOW_THE_DOOR,
    "api.front": BELOW_THE_DOOR | {"api.rest", "api.watch"},
    "api.watch": BELOW_THE_DOOR | {"api.rest"},
    "api.app": BELOW_THE_DOOR
    | {"api.front", "api.metrics", "api.outbox", "api.rest", "api.pages", "api.watch"},
    "api.serving": BELOW_THE_DOOR
    | {"api.app", "api.front", "api.mcp_front", "api.metrics", "api.outbox", "api.rest"}
    | {"api.pages"},
    "api.mcp_front": BELOW_THE_DOOR | {"api.rest", "api.watch"},
}
API = {folder for folder in MAY_IMPORT if folder.startswith("api.")}
MAY_IMPORT |= {
    "install": GROUND | {"settings"},
    "embedded": GROUND | {"settings", "wire", "client"} | API,
    "gate": GROUND | {"settings", "wire", "client"},
    "commands": GROUND
    | {
        "settings",
        "wire",
        "client",
        "embedded",
        "gate",
        "install",
        "mcp_server",
        "mcp_server.http",
        "api.access",
        "api.audit",
        "api.mcp_front",
        "api.outbox",
        "api.serving",
        "api.store",
    },
    "mcp_server": GROUND | {"settings", "wire", "client", "embedded", "gate", "mcp_server.stdio"},
    "mcp_server.stdio": GROUND | {"wire"},
    "mcp_server.http": GROUND | {"settings", "wire", "client", "mcp_server"},
    "commands.doctor": GROUND
    | {
        "settings",
        "wire",
        "client",
        "embedded",
        "install",
        "api.database",
        "api.outbox",
        "api.serving",
    },
    "commands.keeping": GROUND
    | {"settings", "wire", "commands", "api.audit", "api.database", "api.store"},
    "cli": GROUND
    | {
        "settings",
        "commands",
        "commands.doctor",
        "mcp_server",
        "mcp_server.stdio",
    },
    "__main__": {"cli"},
}
# The folders and modules that may import a library.
THIRD_PARTY = {
    "httpx": {"client", "api.outbox"},
    "httpx2": set(),
    "mcp": {"mcp_server", "mcp_server.http", "mcp_server.stdio", "commands.demo"},
    "mcp_types": {"mcp_server", "mcp_server.http", "mcp_server.stdio", "commands.demo"},
    "starlette": API,
    "jinja2": {"api.pages.rendering"},
    "uvicorn": {"api.serving"},
    "sqlite3": {"api.database"},
    "psycopg": {"api.database.postgres_connections", "api.database.transfer.target"},
    "psycopg_pool": {"api.database.postgres_connections"},
    "opentelemetry": {"telemetry"},
    "prometheus_client": {"api.metrics"},
    "apprise": {"api.outbox.apprise_service"},
    "http_ece": {"api.outbox.web_push"},
    "py_vapid": {"api.outbox.web_push"},
    "cryptography": set(),
    "click": {
        "cli",
        "commands.audit",
        "commands.install",
        "commands.keeping.commands",
        "commands.process",
    },
    "tomlkit": {"install.tomls"},
    "pygments": {"api.pages.values.code"},
    "markdown_it": {"api.pages.values.markdown"},
}
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts): path
    for path in SOURCE.rglob("*.py")
    if path.name != "__init__.py"
}


def folder_of(module: str) -> str:
    """The folder whose line in the table is a module's, or the module itself."""
    *folders, _ = module.split(".")
    return ".".join(folders[:2]) if folders not in ([], ["api"]) else module


def imports_of(module: str) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            # A name that is imported from a folder may be a module in it.
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in names if name.removeprefix("loopin_mcp.") in MODULES}
    return found


def own_imports_of(module: str) -> set[str]:
    prefix = "loopin_mcp."
    return {name.removeprefix(prefix) for name in imports_of(module) if name.startswith(prefix)}


def test_every_folder_is_in_the_table() -> None:
    assert {folder_of(module) for module in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_what_its_folder_may(module: str) -> None:
    own = folder_of(module)
    imported = {folder_of(name) for name in own_imports_of(module)}

    assert imported - {own} <= MAY_IMPORT[own]


def test_no_module_imports_itself_by_way_of_others() -> None:
    # It raises a CycleError that names the modules.
    TopologicalSorter({module: own_imports_of(module) for module in MODULES}).prepare()


@pytest.mark.parametrize("library", THIRD_PARTY)
def test_library_is_known_where_it_may_be(library: str) -> None:
    users = {
        module
        for module in MODULES
        if any(name.partition(".")[0] == library for name in imports_of(module))
    }

    assert all({module, folder_of(module)} & THIRD_PARTY[library] for module in users)


def test_no_folder_is_too_full() -> None:
    folders = {path.parent for path in SOURCE.rglob("*") if "__pycache__" not in path.parts}
    full = {
        str(folder.relative_to(SOURCE)): len(entries)
        for folder in folders
        if len(entries := {entry.name for entry in folder.iterdir()} - PRESCRIBED) > MOST_ENTRIES
    }

    assert full == {}


def test_only_the_command_sees_the_environment() -> None:
    readers = {
        module
        for module, path in MODULES.items()
        if "os.environ" in path.read_text(encoding="utf-8")
        or "getenv" in path.read_text(encoding="utf-8")
    }

    assert readers == {"cli"}
