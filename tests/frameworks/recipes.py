"""Loads the recipes. As a program, it runs one with a stand-in for its model.

    python -m tests.frameworks.recipes FRAMEWORK [dies]

With `dies`, the process ends in the middle of the payment.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio

from tests.frameworks.models import MODELS, Payment
from tests.support import missing

EXAMPLES = Path(__file__).parents[2] / "examples"
# Nothing leaves this machine.
QUIET = {"OPENAI_AGENTS_DISABLE_TRACING": "1", "LANGSMITH_TRACING": "false"}
PAYMENT: Payment = {"payee": "Harbour Print Ltd", "amount": 4200, "currency": "EUR"}
PAID = "Paid 4200 EUR to Harbour Print Ltd"
DIED = 9


def recipe(framework: str) -> Any:  # noqa: ANN401 - a module
    """A recipe, loaded again, so that it reads the environment."""
    path = EXAMPLES / f"pay_with_{framework}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Frameworks look annotations up in the module of a tool.
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


async def run(module: Any, framework: str, payments: list[Payment]) -> str:  # noqa: ANN401 - a module
    """The last answers to a model that makes these payments."""
    if framework in MODELS:
        told: str = await module.run(MODELS[framework](payments), "march", "Pay")
    else:
        bundled = Path(sys.modules["claude_agent_sdk"].__path__[0], "_bundled", "claude")
        if sys.platform == "win32" or bundled.exists():
            missing("claude-agent-sdk as `make` installs it, without a program of its own,")
        told = await module.run(json.dumps(payments))
    return told


def main(framework: str, *how: str) -> None:
    """Run a recipe, and print the last answers to the model."""
    module = recipe(framework)
    if how:
        module.print = lambda *_: os._exit(DIED)
    told = anyio.run(run, module, framework, [PAYMENT])
    sys.stdout.write(json.dumps({"told": told}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
