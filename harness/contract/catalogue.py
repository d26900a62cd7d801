"""All rules, by id, in the order of their sections."""

from __future__ import annotations

from harness.contract.profile import Profile, ProfileError, expand
from harness.contract.rule import SECTIONS, Rule
from harness.contract.rules import (
    bad_input,
    cross_client,
    deadlines,
    metadata,
    periodic,
    play,
    publish,
    reconnect,
    room_state,
    roster,
    teardown,
)

_FILES = (
    room_state, roster, publish, play, cross_client, deadlines, teardown, reconnect, periodic, metadata, bad_input,
)  # fmt: skip
RULES: dict[str, Rule] = {rule.id: rule for file in _FILES for rule in file.RULES}


class UnknownRuleError(ValueError):
    """A selection that names no rule; one sentence with what is allowed."""


def select(selections: tuple[str, ...]) -> list[str]:
    """Rule ids by id (RO-03), section letters (RO) or section name (roster); all of them for none.

    Raises UnknownRuleError.
    """
    if not selections:
        return list(RULES)
    letters = {name: short for short, name in SECTIONS.items()}
    try:
        chosen = expand(tuple(letters.get(s.lower(), s.upper()) for s in selections), list(RULES))
    except ValueError:
        wrong = next(s for s in selections if not _known(letters.get(s.lower(), s.upper())))
        sections = ", ".join(f"{name} ({short})" for short, name in SECTIONS.items())
        raise UnknownRuleError(
            f"there is no rule or section {wrong!r}; `harness rules` lists them; the sections are {sections}"
        ) from None
    return [rule for rule in RULES if rule in chosen]


def _known(selection: str) -> bool:
    try:
        return bool(expand((selection,), list(RULES)))
    except ValueError:
        return False


def promised(profile: Profile) -> dict[str, bool]:
    """Rule id: does the profile promise it as SHOULD. Missing: not promised. Raises ProfileError for unknown ids."""
    known = list(RULES)
    try:
        stands = expand(profile.promises, known) if profile.promises else set()
        weaker = expand(profile.weaker, known) if profile.weaker else set()
    except ValueError as error:
        raise ProfileError(f"profile {profile.name}: promises: {error}") from None
    return {rule: rule in weaker for rule in known if rule in stands | weaker}
