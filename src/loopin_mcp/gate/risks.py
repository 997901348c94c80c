"""How urgent a call is: whether it may do what cannot be undone.

A false alarm costs a moment, and a missed one perhaps a disk. So a command is searched as text,
without understanding its quotes, its variables and its nesting. An agent writes the text, and no
other thread runs during one search: so each search takes a time that grows with the text, not with
its square, or nothing would end the wait in time.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

# A longer text cannot be shown, so nobody can approve it.
_LONGEST = 64 * 1024
_SEPARATORS = r";&|\n()`"
_SHELLS = "ash bash csh dash fish ksh sh tcsh zsh pwsh powershell"
_INTERPRETERS = "node perl php python python3 ruby"
_RECURSIVE = r"\s(?:-[a-z]*r|--r)"
_REMOVES = r"\s(?:delete|destroy|rm|rmi|prune|uninstall|terminate[\w-]*|purge|drop)\b"
_PUBLISHES = r"\s(?:publish|unpublish|yank|upload)\b"
# The words of a command, and what makes it dangerous if it follows within the same command.
_OF_COMMANDS = {
    # Files and disks.
    "rm chmod chown chgrp": _RECURSIVE,
    "rd rmdir del erase": r"\s/[a-z]",
    "remove-item ri clear-content": r"\s-(?:r|fo)",
    "shred wipefs mkfs fdisk parted diskutil rimraf": "",
    "format": r"\s[a-z]:",
    "find": r"\s-(?:delete|exec|execdir|ok|okdir)\b",
    "xargs": r"\brm\b",
    "dd": r"\bof=",
    "truncate": r"\s(?:-s|--size)",
    "rsync": r"\s--del",
    # The machine and its users.
    "sudo sudo-rs doas su pkexec run0 runas gsudo passwd useradd userdel usermod visudo insmod": "",
    "shutdown reboot halt poweroff systemctl launchctl iptables nft ufw": "",
    "stop-computer restart-computer": "",
    "init": r"\s[06]\b",
    "reg": r"\sdelete\b",
    "kill pkill killall": r"\s-(?:9|s?igkill|kill)\b",
    "crontab": r"\s-r",
    # Repositories and services that others use.
    "push": r"\s(?:-[a-z]*[fd]|--(?:f|d|mirror|prune)|\+|:)",
    "reset": r"\s--hard",
    "clean": r"\s-(?:[a-z]*[fdx]|-force)",
    "filter-branch filter-repo": "",
    "update-ref": r"\s-d",
    "terraform tofu pulumi cdk": r"\s(?:apply|destroy|up|deploy)\b",
    "kubectl helm docker podman aws gcloud az gh heroku fly flyctl": _REMOVES,
    "npm pnpm yarn cargo twine gem poetry uv hatch flit": _PUBLISHES,
    # Commands that hide what they run.
    "eval invoke-expression iex": "",
    "powershell pwsh": r"\s-e(?:nc\w*|c)?\b",
}
# Like `_OF_COMMANDS`, but what follows may be in another command.
_OF_TEXTS = {
    "base64 openssl xxd": r"\|",
    f"{_SHELLS} source": r"<\s*\(\s*(?:curl|wget)\b",
    f"{_SHELLS} {_INTERPRETERS}": r"\s-\w+\s\W*(?:curl|wget)\b",
    "chmod": r"\b0?777\b",
    "dropdb dropuser dropdatabase flushall flushdb rmtree rmsync": "",
}
_PATH = r"(?:[\w=./-]+[^\S\n]+)*?(?:[\w./-]*/)?"
_PIPED = re.compile(
    rf"\|&?\s*{_PATH}(?:(?:{'|'.join(_SHELLS.split())})(?![\w-])"
    rf"|(?:{'|'.join(_INTERPRETERS.split())})[\d.]*\s*(?:-\s*)?(?:$|[{_SEPARATORS}]))",
    re.IGNORECASE,
)
_SQL = re.compile(
    r"(?<![\w.-])(?:delete\s{1,99}from|(?:truncate|drop)\s{1,99}(?:table|database|schema|view|index"
    r"|user|role|column|keyspace|collection|owned\s{1,99}by|materialized|function|procedure|trigger"
    r"|sequence|extension|policy|tablespace|type))\b"
    r"|\btruncate\s{1,99}[\w.]{1,99}\s{0,99}(?:[;\"']|$)",
    re.IGNORECASE,
)
_BOMB = re.compile(r":\s*\(\s*\)\s*\{")
_DEVICE = re.compile(r">\s*/dev/(?!null\b|std(?:out|err)\b|tty\b|fd/|zero\b)", re.IGNORECASE)
# The shell decides which command is here.
_UNREADABLE = re.compile(
    rf"(?:^|[{_SEPARATORS}{{])[^\S\n]*(?:\w+=[^\s{_SEPARATORS}]*[^\S\n]+)*[$`]|\$'[^']*\\"
)
_COMMAND = re.compile(f"[^{_SEPARATORS}]+")
_SEPARATOR = re.compile(f"[{_SEPARATORS}]")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_HIDING = re.compile(r"\\\r?\n|[\"'\\^]|\$@|\$\*")
_BLANKS = re.compile(r"\$\{?IFS\}?|[{},<>]")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# Files with which an agent could change who is asked, or what runs later.
# fmt: off
_GUARDS = frozenset({
    ".git", ".claude", ".codex", ".cursor", ".gemini", ".copilot", ".husky", ".ssh", ".vscode",
    "loopin-mcp", ".mcp.json", ".claude.json", ".envrc", ".gitconfig", ".profile", ".bashrc",
    ".bash_login", ".bash_profile", ".zshrc", ".zshenv", ".zprofile",
})
# fmt: on


def _by_word(table: Mapping[str, str], not_after: str) -> tuple[re.Pattern[str], Mapping[str, str]]:
    """A pattern that finds the words of a table, and what follows each of them."""
    tails: dict[str, str] = {}
    for words, tail in table.items():
        for word in words.split():
            tails[word] = f"{tails[word]}|{tail}" if word in tails else tail
    return re.compile(rf"(?<![{not_after}])({'|'.join(tails)})(?![\w-])", re.IGNORECASE), tails


_COMMANDS = _by_word(_OF_COMMANDS, r"\w.-")
# A dot is before the name of a function.
_TEXTS = _by_word(_OF_TEXTS, r"\w-")


def is_dangerous(text: str, *, is_command: bool = True) -> bool:
    """Whether a command, or another text, may do what cannot be undone."""
    if len(text) > _LONGEST or (is_command and _UNREADABLE.search(text)):
        return True
    return any(
        _PIPED.search(form)
        or _SQL.search(form)
        or _BOMB.search(form)
        or _DEVICE.search(form)
        or _has(_TEXTS, form)
        or any(_has(_COMMANDS, command) for command in _COMMAND.findall(form))
        for form in _forms(text)
    )


def _forms(text: str) -> Iterator[str]:
    """A text as it is, and without what a shell or a database ignores in it."""
    whole = _QUOTED.sub(lambda quoted: _SEPARATOR.sub("_", quoted[0]), text)
    plain = [_HIDING.sub("", form) for form in dict.fromkeys((text, whole))]
    commented, end, rest = text.rpartition("*/")
    yield from dict.fromkeys(
        (
            text,
            *plain,
            *(_BLANKS.sub(" ", form) for form in plain),
            _COMMENT.sub(" ", commented + end) + rest,
        )
    )


def _has(table: tuple[re.Pattern[str], Mapping[str, str]], text: str) -> bool:
    """Whether the text has one of the words, and later what makes it dangerous."""
    words, tails = table
    seen: set[str] = set()
    for found in words.finditer(text):
        word = found[1].lower()
        # After the first one comes all that comes after others.
        if word not in seen and re.compile(tails[word], re.IGNORECASE).search(text, found.end()):
            return True
        seen.add(word)
    return False


def is_guarding(parts: Iterable[str]) -> bool:
    """Whether a file with these parts of its path decides what an agent may do, or runs later."""
    names = [part.casefold() for part in parts]
    is_hook = ".github" in names and ("hooks" in names or "workflows" in names)
    return is_hook or not _GUARDS.isdisjoint(names)
