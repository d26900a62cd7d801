"""Every identifier against its limit in bytes and its set of characters, for any text at all."""

from __future__ import annotations

import string
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.call import CallError, identifiers

NAME = set(string.ascii_letters + string.digits + "~!@#$^&*()_+=-`;',.<>\\")
STREAM = set(string.ascii_letters + string.digits + "_-")

# Check, least and most bytes, allowed characters, and the codes of too short, illegal and too long.
Rule = tuple[Callable[[str], None], int, int, set[str] | None, tuple[int, int, int]]
RULES: dict[str, Rule] = {
    "room id": (identifiers.check_room_id, 1, 128, NAME, (1002011, 1002012, 1002013)),
    "user id": (identifiers.check_user_id, 1, 64, NAME, (1002005, 1002006, 1002007)),
    "user name": (identifiers.check_user_name, 1, 256, None, (1002008, 0, 1002010)),
    "stream id": (identifiers.check_stream_id, 1, 256, STREAM, (1000015, 1000016, 1000014)),
    "stream extra": (identifiers.check_stream_extra, 0, 1023, None, (0, 0, 1003050)),
    "room extra key": (lambda key: identifiers.check_room_extra(key, ""), 1, 127, None, (1002015, 0, 1002015)),
    "room extra value": (lambda value: identifiers.check_room_extra("k", value), 0, 128, None, (0, 0, 1002016)),
    "message": (identifiers.check_message, 1, 1024, None, (1009001, 0, 1009001)),
}


def code_of(check: Callable[[str], None], value: str) -> int:
    """0 when the value is allowed."""
    try:
        check(value)
    except CallError as error:
        assert error.args[0]
        return error.code
    return 0


@pytest.mark.parametrize("name", RULES)
def test_the_last_length_allowed_is_allowed_and_the_next_is_refused(name: str) -> None:
    check, least, most, _, (too_short, _, too_long) = RULES[name]
    assert code_of(check, "a" * least) == code_of(check, "a" * most) == 0
    assert code_of(check, "a" * (most + 1)) == too_long
    if least:
        assert code_of(check, "") == too_short


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule[3] is None])
@pytest.mark.parametrize("character", ["é", "語", "😀"])
def test_bytes_are_counted_and_not_characters(name: str, character: str) -> None:
    check, _, most, _, (_, _, too_long) = RULES[name]
    fit = most // len(character.encode())
    assert code_of(check, character * fit) == 0
    assert code_of(check, character * (fit + 1)) == too_long


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule[3] is not None])
def test_exactly_the_characters_of_the_contract_are_allowed(name: str) -> None:
    check, _, _, allowed, (_, illegal, _) = RULES[name]
    for character in map(chr, range(0x250)):
        expected = 0 if character in (allowed or ()) else illegal
        assert code_of(check, character) == code_of(check, f"a{character}z") == expected, repr(character)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(sorted(RULES)),
    st.text(max_size=30) | st.text("aZ9_-%é\n", max_size=30),
    st.sampled_from([1, 3, 40]),
)
def test_any_text_is_allowed_or_refused_as_the_contract_says(name: str, text: str, times: int) -> None:
    check, least, most, allowed, (too_short, illegal, too_long) = RULES[name]
    value = text * times
    if len(value.encode()) < least:
        expected = too_short
    elif len(value.encode()) > most:
        expected = too_long
    else:
        expected = 0 if allowed is None or set(value) <= allowed else illegal
    assert code_of(check, value) == expected
