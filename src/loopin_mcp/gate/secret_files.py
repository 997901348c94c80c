"""Files that hold secrets by their names, and the masks of their values."""

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue

    from loopin_mcp.gate.calls import JSONObject

# How hosts name the path of a file in the input of their own tools.
PATH_KEYS = (
    "file_path",
    "filePath",
    "path",
    "notebook_path",
    "absolute_path",
    "target_file",
    "dir_path",
)
MASK = "•••"
# In these a line names a value. The others hold nothing but a key.
_NAMED = re.compile(
    r"\.env(?:rc|[.-].*)?|.*\.env(?:\..*)?|\.dev\.vars|.*\.tfvars(?:\.json)?|.*\.tfstate|(?:.*[._-])?credentials?(?:[._-].*)?"
    r"|(?:.*[._-])?secrets?(?:[._-].*)?|\.npmrc|\.yarnrc(?:\.yml)?|\.pypirc|\.pgpass|\.my\.cnf"
    r"|\.?htpasswd|\.s3cfg|\.boto|\.dockercfg|service[_-]?account.*\.json|local\.settings\.json"
    r"|(?:.*[._-])?kubeconfig(?:[._-].*)?|(?:.*[._-])?(?:auth|token|key)\.json|\.terraformrc"
    r"|.*firebase-adminsdk.*\.json|(?:.*[._-])?(?:access|api|root)[_-]?keys?\.(?:csv|json|txt|ya?ml)"
    r"|(?:.*[._-])?passwords?\.(?:csv|json|txt|ya?ml)"
)
_WHOLE = re.compile(
    r".*\.(?:pem|key|p8|p12|pfx|ppk|jks|keystore|kdbx?|asc|gpg)|id_[a-z0-9]+(?:_sk)?"
    r"|[._]netrc|\.authinfo|\.git-credentials|\.vault-token|\.?vault[_-]pass(?:word)?"
)
# Ordinary names within directories that hold nothing but credentials.
_DIRECTORIES = frozenset({".ssh", ".envs", ".aws", ".gnupg", ".kube", ".docker", ".azure"})
# A copy of such a file holds the same.
_COPY = re.compile(r"(?:~|\.(?:bak|backup|old|orig|save|tmp))$")
# No file has a longer name. An agent gives it, and no other thread runs while it is searched.
_LONGEST = 255
_PUBLIC = (".pub", "known_hosts")
_CONTENT = re.compile(
    r"(?:file|new|old)?_?(?:contents?|text|string|str|source|data|body|values?|lines?)|\w*edits"
    r"|replacements|changes|patch|diff"
)
_NAME_OF_VALUE = re.compile(
    r"""(\s*(?:export\s+|set\s+|-\s+)?["']?[\w./@-]{1,64}["']?\s*[:=]\s*)["']?\w.*""", re.DOTALL
)


def is_secret(name: str) -> bool:
    """Whether a file holds secrets, by its path."""
    path, file = PurePath(name.replace("\\", "/")), _file_name(name)
    if file.endswith(_PUBLIC):
        return False
    is_there = not _DIRECTORIES.isdisjoint(part.casefold() for part in path.parts[:-1])
    return is_there or bool(_NAMED.fullmatch(file) or _WHOLE.fullmatch(file))


def _file_name(name: str) -> str:
    return _COPY.sub("", PurePath(name.replace("\\", "/")).name.casefold()[-_LONGEST:])


def masked_text(text: str, name: str) -> str:
    """A text of a file with secrets, each line of which shows at most the name of a value."""
    is_named = _NAMED.fullmatch(_file_name(name))
    return "\n".join(_masked_line(line, may_name=bool(is_named)) for line in text.split("\n"))


def _masked_line(line: str, *, may_name: bool) -> str:
    if not line.strip():
        return line
    found = _NAME_OF_VALUE.fullmatch(line) if may_name else None
    return (found[1] if found else "") + MASK


def masked(value: "JsonValue", name: str, key: str = "") -> "JsonValue":
    """A value in the input of a tool that changes a file with secrets: only paths are shown."""
    match value:
        case str() if key not in PATH_KEYS:
            return masked_text(value, name)
        case list():
            return [masked(inner, name) for inner in value]
        case dict():
            return {key: masked(inner, name, key) for key, inner in value.items()}
    return value


def masked_texts(value: "JSONObject", name: str) -> "JSONObject":
    """The input of another tool that names a file with secrets, without texts for that file."""
    return {
        key: masked(inner, name) if _CONTENT.fullmatch(key.casefold()) else inner
        for key, inner in value.items()
    }


def secret_in(names: Iterable[str]) -> str | None:
    """The first of these paths that leads to a file with secrets."""
    return next(filter(is_secret, names), None)
