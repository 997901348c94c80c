"""Reads the JSON that people type, and says in their words where it is faulty."""

import re
from collections.abc import Callable
from typing import NoReturn

from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.validation import parse_json

# Deeper text is left to the parser, which has a bound of its own.
_DEEPEST = 64
_LONGEST_SHOWN = 40
_BLANKS = " \t\r\n"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[^\W\d][\w.-]*")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_QUOTES = "'‘’“”„«»`"
_CONSTANTS = ("true", "false", "null")
_WRITTEN = {"none": "null", "undefined": "null", "nil": "null", "yes": "true", "no": "false"}
_NO_NUMBERS = ("NaN", "Infinity", "nan", "inf")


class _FoundError(Exception):
    """A fault, and at which character of the text it is."""

    def __init__(self, at: int, words: str) -> None:
        super().__init__(words)
        self.at = at


def read_object(text: str) -> JSONObject:
    """The JSON object in a text.

    Raises:
        ValueError: It is not one; the message follows the name of the field.
    """
    try:
        value = parse_json(text)
    except ValueError as error:
        raise ValueError(fault_of(text) or str(error)) from None
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object: names and values between { and }")
    return value


def fault_of(text: str) -> str | None:
    """Where a text stops being JSON and why, in words; None if it is JSON or nobody can say.

    static/changes/json_text.js does the same.
    """
    try:
        _Scanner(text).scan()
    except _FoundError as found:
        before = text[: found.at].split("\n")
        place = f"line {len(before)}, column {len(before[-1]) + 1}"
        return f"is not valid JSON. At {place}, {found}"
    except RecursionError:
        pass
    return None


class _Scanner:
    """Goes through a text to its first fault."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def scan(self) -> None:
        """Raise a _FoundError for the first fault, if there is one."""
        if self._next() not in ("{", "["):
            word = _WORD.match(self._text, self._at)
            begins = self._char() in ('"', *_QUOTES) or (word and word[0] not in _CONSTANTS)
            if begins and re.match(r"\s*[:=]", self._text[self._end_of_name() :]):
                self._fail("the braces { } around names and values are missing")
        self._value()
        if self._next():
            self._fail("nothing may follow the end of the object")

    def _value(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise RecursionError
        char = self._next()
        if char == "{":
            self._members("}", "brace", self._member)
        elif char == "[":
            self._members("]", "bracket", self._value)
        elif char == '"':
            self._string()
        elif char == "-" or (char.isascii() and char.isdigit()):
            self._number()
        else:
            self._word(char)
        self._depth -= 1

    def _members(self, end: str, name: str, member: Callable[[], None]) -> None:
        opened = self._text.count("\n", 0, self._at) + 1
        self._at += 1
        if self._next() == end:
            self._at += 1
            return
        while True:
            member()
            char = self._next()
            if char == end:
                self._at += 1
                return
            if not char:
                self._fail(f"the closing {name} {end} is missing (opened in line {opened})")
            if char != ",":
                self._fail_between(char, end)
            comma = self._at
            self._at += 1
            if self._next() == end:
                self._fail(f"a comma must not stand before {end}", comma)

    def _fail_between(self, char: str, end: str) -> NoReturn:
        if char in "}]":
            self._fail(f"{end} is expected instead of {char}")
        if char == ";":
            self._fail("a comma is needed instead of ;")
        self._fail(f"a comma or {end} is missing")

    def _member(self) -> None:
        char = self._next()
        word = _WORD.match(self._text, self._at)
        if char in _QUOTES and char:
            self._fail(f'names need straight double quotes: " instead of {char}')
        elif word:
            self._fail(f'names need double quotes: "{_cut(word[0])}"')
        elif char.isascii() and char.isdigit() and self._follows_number():
            self._fail("numbers have no commas between their digits")
        elif char != '"':
            self._fail("a name in double quotes is missing")
        self._string()
        char = self._next()
        if char == "=":
            self._fail("a colon is needed instead of =")
        if char != ":":
            self._fail("a colon is missing after the name")
        self._at += 1
        self._value()

    def _follows_number(self) -> bool:
        return re.search(r"[0-9]\s*,\s*\Z", self._text[: self._at]) is not None

    def _string(self) -> None:
        start = self._at
        self._at += 1
        while (char := self._char()) != '"':
            if char == "\\":
                if not (escape := _ESCAPE.match(self._text, self._at)):
                    self._fail(r"this \ begins nothing that JSON knows: write \\ for one")
                self._at = escape.end()
            elif not char or char == "\n":
                self._fail(
                    'the closing quote " of this text is missing (a line break in a text is '
                    r"written \n)",
                    start,
                )
            elif char < " ":
                self._fail(r"this character must be written by its code, such as \t for a tab")
            else:
                self._at += 1
        self._at += 1

    def _number(self) -> None:
        number = _NUMBER.match(self._text, self._at)
        if not number:
            self._fail("digits are missing after the minus sign")
        self._at = number.end()
        char = self._char()
        if number[0].lstrip("-") == "0" and char.isdigit():
            self._fail("a number must not begin with 0", number.start())
        if char == ".":
            self._fail("digits are missing after the point")
        if char == "_" or char.isalnum():
            self._fail("this does not belong to a number: texts need double quotes")

    def _word(self, char: str) -> None:
        word = _WORD.match(self._text, self._at)
        if word and word[0] in _CONSTANTS:
            self._at = word.end()
        elif word and word[0] in _NO_NUMBERS:
            self._fail(f"JSON has no {word[0]}: write a number, null or a text")
        elif word and word[0].casefold() in (*_CONSTANTS, *_WRITTEN):
            small = word[0].casefold()
            self._fail(f"write {_WRITTEN.get(small, small)} instead of {word[0]}")
        elif word:
            self._fail(f'texts need double quotes: "{_cut(word[0])}"')
        elif char and char in _QUOTES:
            self._fail(f'texts need straight double quotes: " instead of {char}')
        elif char and char in "+.":
            self._fail("a number begins with a digit or a minus sign")
        elif char and char in "/#":
            self._fail("JSON has no comments")
        elif char and char not in ",}]":
            self._fail("this character is not expected here")
        else:
            self._fail("a value is missing")

    def _end_of_name(self) -> int:
        """Where a name at this place ends, in quotes or not."""
        name = re.compile(rf"[\"{_QUOTES}][^\"{_QUOTES}\n]*[\"{_QUOTES}]|{_WORD.pattern}")
        found = name.match(self._text, self._at)
        return found.end() if found else self._at

    def _next(self) -> str:
        """The next character that is not blank, or nothing."""
        while (char := self._char()) and char in _BLANKS:
            self._at += 1
        return char

    def _char(self) -> str:
        return self._text[self._at : self._at + 1]

    def _fail(self, words: str, at: int | None = None) -> NoReturn:
        raise _FoundError(self._at if at is None else at, words)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
