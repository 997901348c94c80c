"""The files that a tool call is about: their paths, and their text as it is now."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loopin_mcp.gate.calls import JSONObject
from loopin_mcp.gate.secret_files import PATH_KEYS, is_secret

MOST_BYTES = 1024 * 1024
# No longer path can be opened on Linux, and a look-up of a longer name of a user may end a process.
_LONGEST_PATH = 4096
_WORD = re.compile(r"""(?:(?<!\S)-\w(?=[/~.]))?([^\s;&|<>()"'`=,:@{}]+)""")
_HOME = re.compile(r"\$(?:HOME\b|\{HOME\})")
# Commands name these often, and change nothing there that matters.
_USUAL = re.compile(r"/dev/(?:null|zero|u?random|tty|std(?:in|out|err)|fd/\d)|/(?:usr/)?bin/[^/]+")


class NoTextError(Exception):
    """What a call does to files cannot be shown as text: only its input can."""


@dataclass(frozen=True)
class File:
    """A file as a tool names it, and the place that it leads to from the working directory."""

    name: str
    place: Path
    directory: Path

    @property
    def shown(self) -> str:
        """The path from the working directory, or the whole one of a file elsewhere."""
        if self.is_outside:
            return str(self.place)
        return self.place.relative_to(self.directory).as_posix()

    @property
    def is_outside(self) -> bool:
        """Whether the file, at the end of all links, is not in the working directory."""
        return not self.place.is_relative_to(self.directory)

    @property
    def is_linked(self) -> bool:
        """Whether a symbolic link leads to another place than the path says."""
        return Path(os.path.abspath(self.directory / self.name)) != self.place  # noqa: PTH100 - resolve follows links

    @property
    def is_secret(self) -> bool:
        """Whether the file holds secrets, by one of its names."""
        return is_secret(self.name) or is_secret(str(self.place))

    def read(self) -> str | None:
        """The text, or None if the file is missing.

        Raises:
            NoTextError: It has none that can be shown.
        """
        try:
            found = self.place.stat()
            if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
                raise NoTextError
            text = self.place.read_bytes().decode()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise NoTextError from error
        if "\0" in text:
            raise NoTextError
        return text


def file_of(name: str, directory: str) -> File:
    """The file that a tool in a working directory means by a name.

    Raises:
        NoTextError: Nobody can say which file it is.
    """
    try:
        if not Path(directory).is_absolute() or len(name) > _LONGEST_PATH:
            raise NoTextError
        root = Path(directory).resolve()
        # Path.resolve refuses links that lead in a circle only before Python 3.13.
        place = Path(os.path.realpath(root / os.path.expanduser(name)))  # noqa: PTH111 - it may be unknown
        if place.is_symlink():
            raise NoTextError
    except (OSError, ValueError, RuntimeError) as error:
        raise NoTextError from error
    return File(name, place, root)


def path_in(fields: JSONObject) -> str:
    """The path of a file among the fields of an input.

    Raises:
        NoTextError: They have none, or several: only the tool knows which one counts.
    """
    match [fields[key] for key in PATH_KEYS if key in fields]:
        case [str(name)] if name:
            return name
    raise NoTextError


def names_in(value: object) -> Iterator[str]:
    """Every path of a file anywhere in an input."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in PATH_KEYS and isinstance(inner, str):
                yield inner
            yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)


def words_of(command: str, directory: str) -> Iterator[str]:
    """The words of a command in a working directory that are paths, or look like one.

    Regular expressions begin with a slash too, so the first directory of an absolute path has to
    exist.
    """
    for word in _WORD.findall(_HOME.sub("~", command)):
        if word.startswith("/"):
            first = "/" + word.lstrip("/").partition("/")[0]
            is_path = os.path.lexists(first) and not _USUAL.fullmatch(word)
        else:
            is_path = "/" in word.replace(os.sep, "/") or word[0] in ".~"
        if is_path or os.path.islink(os.path.join(directory, word)):  # noqa: PTH114, PTH118 - quick
            yield word
