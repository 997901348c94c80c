"""The command lines of hooks: each runs the gate, and turns any failure of it into exit code 2."""

import contextlib
import re
import shlex

# A killed gate says nothing, and Codex runs the call after exit code 2 without a word on stderr.
_REFUSAL = "LoopIn did not approve this call."
# A word before any operator of a shell, perhaps with quoted parts.
_WORD = re.compile(r"""\s*((?:'[^']*'|"[^"]*"|[^\s|;&'"])+)""")
_PROGRAM = re.compile(r"""loopin[-_]mcp(?:\.exe)?['"]*$""")
_TIMEOUT = re.compile(r"\s--timeout[ =](\d+(?:\.\d+)?)")
_BLOCKING = re.compile(r"exit (?:/b )?2\b")


def posix(gate: list[str]) -> str:
    """The line for the shells of Linux and macOS, also fish."""
    refuse = f"echo {_REFUSAL} >&2; exit 2"
    return f"{shlex.join(gate)} || sh -c {shlex.quote(refuse)}"


def powershell(gate: list[str]) -> str:
    """The line for PowerShell, 5.1 and later."""
    words = " ".join(
        word if re.fullmatch(r"[\w-]+", word) else "'" + word.replace("'", "''") + "'"
        for word in gate
    )
    # A program that is missing leaves the code empty, which is not 0 either.
    refuse = f"[Console]::Error.WriteLine('{_REFUSAL}'); exit 2"
    return f"& {words}; if ($LASTEXITCODE -ne 0) {{ {refuse} }}"


def cmd(gate: list[str]) -> str:
    """The line for cmd.exe."""
    words = " ".join(
        word if re.fullmatch(r"[\w:\\./+@=-]+", word) else f'"{word}"' for word in gate
    )
    return f"{words} || (echo {_REFUSAL} 1>&2 & exit /b 2)"


def runs_gate(line: str) -> bool:
    """Whether a command line of a hook runs the gate first."""
    words = _first_command(line.removeprefix("& "))
    programs = (number for number, word in enumerate(words) if _PROGRAM.search(word))
    return "gate" in words[next(programs, len(words)) :]


def gate_timeout_s(line: str) -> float | None:
    """After how many seconds the gate in a line ends itself, or None for the gate's default."""
    found = _TIMEOUT.search(line)
    return float(found[1]) if found else None


def gate_match(line: str) -> str | None:
    """The pattern of the tools that the gate in a POSIX line asks about, or None for all."""
    with contextlib.suppress(ValueError):
        words = shlex.split(line)
        if "--match" in words[:-1]:
            return words[words.index("--match") + 1]
    return None


def fails_closed(line: str) -> bool:
    """Whether a line ends with exit code 2 also if the gate is killed or missing."""
    return _BLOCKING.search(line) is not None


def _first_command(line: str) -> list[str]:
    words, at = [], 0
    while found := _WORD.match(line, at):
        words.append(found[1])
        at = found.end()
    return words
