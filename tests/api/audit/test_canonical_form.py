"""The canonical form of JSON, compared with another implementation of RFC 8785."""

import json
from decimal import Decimal

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from loopin_mcp.api.audit.digests import canonical, digest

LARGEST = 2**53 - 1
TEXT = st.text(st.characters(codec="utf-8"))
# Other doubles of this size have more digits than the RFC writes.
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not LARGEST < abs(number) < 1e21 or Decimal(number) == Decimal(repr(number))
)
NUMBERS = st.integers(-LARGEST, LARGEST) | FLOATS
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT
JSON = st.recursive(SCALARS, lambda x: st.lists(x) | st.dictionaries(TEXT, x), max_leaves=30)


@given(value=JSON)
@example(value={"\ufb33": 1, "\U0001f600": 2, "\r": 3, "1": 4, "\x80": 5})
@example(value=[1e21, 1e20, 1e-6, 1e-7, -0.0, 5e-324, 1.7976931348623157e308])
@example(value=['\x00\x1f\x7f\b\t\n\f\r"\\/\u2028', True, 1, 1.0])
def test_canonical_form_is_that_of_rfc_8785(value: object) -> None:
    assert canonical(value).encode() == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(value=JSON)
def test_what_is_read_back_has_the_same_digest(value: object) -> None:
    assert digest(json.loads(json.dumps(value))) == digest(value)
    assert digest(json.loads(canonical(value))) == digest(value)


@pytest.mark.parametrize("number", [2**53, 2**53 + 1, -(2**53) - 1, 10**20 + 1, 10**400 + 7])
def test_integer_that_no_double_holds_is_written_in_full(number: int) -> None:
    assert canonical({"account": number}) == f'{{"account":{number}}}'
    assert digest(number) != digest(number + 1)


@pytest.mark.parametrize(
    "number", [1.2345678901234567e19, -9007199254740994.0, 999999999999999868928.0]
)
def test_double_has_the_digest_of_the_integer_that_it_is(number: float) -> None:
    assert digest(number) == digest(int(number))
    assert digest(number) != digest(int(number) + 1)
    assert digest(12345678901234567000) != digest(12345678901234567000.0)


@pytest.mark.parametrize(
    "different", [(1, True), (0, None), ("1", 1), ({}, []), ([], None), ("", None)]
)
def test_values_of_different_kinds_have_different_digests(different: tuple[object, object]) -> None:
    one, other = different

    assert digest(one) != digest(other)
