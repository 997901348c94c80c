"""The public surface."""

from types import ModuleType

import loopin_mcp


def test_all_that_is_imported_is_exported() -> None:
    imported = {
        name
        for name, value in vars(loopin_mcp).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }

    assert set(loopin_mcp.__all__) == imported


def test_every_error_is_exported() -> None:
    from loopin_mcp import errors

    defined = {name for name in vars(errors) if name.endswith("Error")}

    assert defined <= set(loopin_mcp.__all__)
