"""The Inspector's command line: every tool and prompt, over stdio and over HTTP."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.scores.baseline import expected, unexpected
from tests.scores.programs import INSPECTOR, on_node, version_of
from tests.scores.rows import Row
from tests.scores.runs import Output, Runs, SuiteError
from tests.scores.target import TOKEN
from tests.support.host import LEGACY, MODERN

JSON = dict[str, Any]
# Its exit code if the result of a tool is an error.
TOOL_FAILED = 5


def inspector(runs: Runs) -> Iterator[Row]:
    """A session of a host over each transport, of which each has another era."""
    program = [*on_node(INSPECTOR, runs.cache), "--cli"]
    variables = [f"-e{name}={value}" for name, value in runs.target.variables.items()]
    ways = {
        "stdio": (LEGACY, [runs.target.command, *variables, "--protocol-era=legacy"]),
        "HTTP": (
            MODERN,
            [runs.target.url, f"--header=Authorization: Bearer {TOKEN}", "--protocol-era=modern"],
        ),
    }
    for way, (version, arguments) in ways.items():

        def ask(*options: str, arguments: list[str] = arguments) -> Output:
            return runs.run("inspector", *program, *arguments, "--format=json", *options)

        session = Session(ask, version)
        faults = session.faults(expected("inspector"), user=way)
        run = f"every tool over {way}, {version}"
        yield Row("inspector", version_of(INSPECTOR), run, f"{session.asked} requests", faults)


class Session:
    """What one host asks of the server; `ask` starts the Inspector with these options."""

    def __init__(self, ask: Callable[..., Output], version: str) -> None:
        self._ask = ask
        self._version = version
        self._called: set[str] = set()
        self.asked = 0

    def faults(self, schemas: Mapping[str, str], user: str) -> list[str]:
        """Use the server as a host does; the baseline has what is known of the `schemas`."""
        try:
            spoken = self._run("initialize").json()["result"]["protocolVersion"]
            _expect(spoken == self._version, f"the version is {spoken}")
            names, found = self._tools()
            self._prompts(user)
            self._decided(user)
            self._cancelled(user)
        except SuiteError as error:
            return [str(error)]
        uncalled = sorted(names - self._called)
        return unexpected(found, schemas) + [f"nothing calls {name}" for name in uncalled]

    def _tools(self) -> tuple[set[str], set[str]]:
        """The names of the tools, and where a schema is not portable."""
        output = self._run("tools/list", "--strict")
        lines = zip(
            re.findall(r'tool "(\w+)"', output.stderr),
            re.findall(r"Path: (\S+)", output.stderr),
            strict=True,
        )
        names = {tool["name"] for tool in output.json()["result"]["tools"]}
        return names, {f"{tool} {path}" for tool, path in lines}

    def _prompts(self, user: str) -> None:
        listed = self._run("prompts/list").json()["result"]["prompts"]
        given = {"review_pending": f"userId={user}", "ask_before": "actions=payments"}
        for prompt in listed:
            name = prompt["name"]
            options = [f"--prompt-name={name}", f"--prompt-args={given[name]}"]
            got = self._run("prompts/get", *options).json()["result"]
            _expect(got["messages"], f"prompts/get {name} has no messages")

    def _decided(self, user: str) -> None:
        asked = self._create(user)
        found = self._call("get_interrupt_status", interruptId=asked, waitSeconds=0)
        _expect(found["status"] == "pending", "a new interrupt is not pending")
        listed = self._call("list_pending_interrupts", userId=user)["interrupts"]
        ids = [each["interruptId"] for each in listed]
        _expect(asked in ids, "a new interrupt is not in the list")
        self._call("decide_interrupt", interruptId=asked, decision="approved", reason="Yes")
        found = self._call("get_interrupt_status", interruptId=asked)
        _expect(found["approved"] is True, "an approved interrupt is not approved")

    def _cancelled(self, user: str) -> None:
        asked = self._create(user)
        self._call("cancel_interrupt", interruptId=asked)
        again = self._call("cancel_interrupt", TOOL_FAILED, interruptId=asked)
        _expect(not again, "a second cancel has a structured result")
        figures = self._call("get_interrupt_analytics", userId=user)
        _expect(figures["totalInterrupts"] >= 2, "analytics do not count both interrupts")

    def _create(self, user: str) -> str:
        context = {"amount": 4200, "to": "a vendor"}
        created = self._call(
            "create_interrupt", userId=user, action="Pay the vendor", context=context
        )
        return str(created["interruptId"])

    def _call(self, tool: str, code: int = 0, **arguments: object) -> JSON:
        """The structured result of a tool, which is empty for an error."""
        self._called.add(tool)
        given = f"--tool-args-json={json.dumps(arguments)}"
        output = self._run("tools/call", f"--tool-name={tool}", given, code=code)
        result: JSON = output.json()["result"].get("structuredContent", {})
        return result

    def _run(self, method: str, *options: str, code: int = 0) -> Output:
        self.asked += 1
        output = self._ask(f"--method={method}", *options)
        said = output.stderr.strip()[-200:]
        _expect(output.code == code, f"{method} ended with code {output.code}: {said}")
        return output


def _expect(holds: object, otherwise: str) -> None:
    if not holds:
        raise SuiteError(otherwise)
