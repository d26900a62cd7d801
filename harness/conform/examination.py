"""One schedule performed on virtual time and judged at once: which rules it breaks, or what it crashes."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from harness.conform.run import Sabotage, virtual_trace
from harness.conform.schedule import Schedule
from harness.contract.catalogue import RULES
from harness.contract.judge import Judge
from harness.contract.profile import Profile, load_profile
from harness.contract.verdict import Judgement, Verdict
from harness.trace.record import parse_record

CRASH = "CRASH"  # stands where a rule's id would
_OURS = "harness."
_ANY_FAULT = ("XC-04",)  # in which every lost word ends: another rule says better what was wrong
_ORDER = {rule: place for place, rule in enumerate(RULES)}


@dataclass(frozen=True)
class Examined:
    """broken: rules by id, or CRASH; the most telling first, and of those the earliest.

    error: the crash, one sentence. where: what tells one crash from another. lines: of the trace, none after a crash.
    """

    broken: tuple[str, ...]
    lines: list[bytes]
    judgement: Judgement | None
    error: str = ""
    where: str = ""


class Examiner:
    """strict: a broken SHOULD counts. sabotage: breaks something of the stage before anybody calls."""

    def __init__(self, *, rules: tuple[str, ...] = (), strict: bool = False, sabotage: Sabotage | None = None) -> None:
        self._rules, self._strict, self._sabotage = rules, strict, sabotage

    def examine(self, schedule: Schedule) -> Examined:
        errors: list[BaseException | str] = []
        lines: list[bytes] = []
        with _heard(errors):
            try:
                lines = virtual_trace(schedule, self._sabotage)
            except Exception as error:
                errors.insert(0, error)
        if errors:
            sentence, where = _told(errors[0])
            return Examined((CRASH,), [], None, sentence, where)
        judgement = judge_lines(lines, self._rules, self._strict)
        failed = next((o.reason for o in judgement.outcomes.values() if o.verdict is Verdict.UNKNOWN), "")
        if failed:
            return Examined((CRASH,), lines, judgement, failed, failed)
        return Examined(self._broken(judgement), lines, judgement)

    def _broken(self, judgement: Judgement) -> tuple[str, ...]:
        counted = (Verdict.FAIL, Verdict.NON_STRICT) if self._strict else (Verdict.FAIL,)
        found = [outcome for outcome in judgement.outcomes.values() if outcome.verdict in counted]
        found.sort(key=lambda each: (each.rule in _ANY_FAULT, each.violations[0].at, _ORDER[each.rule]))
        return tuple(outcome.rule for outcome in found)


def judge_lines(lines: list[bytes], rules: tuple[str, ...] = (), strict: bool = False) -> Judgement:
    """A trace in memory by the profile of the service its header names; a virtual one is in order of time."""
    header = json.loads(lines[0])
    judge = Judge(_profile(header["service"]), header, rules=rules, strict=strict)
    for number, line in enumerate(lines[1:], 2):
        judge.feed(parse_record(line, number))
    return judge.conclude()


@cache
def _profile(name: str) -> Profile:
    return load_profile(name)


@contextmanager
def _heard(errors: list[BaseException | str]) -> Iterator[None]:
    """What is logged as an error meanwhile, instead of its way to a log: on virtual time nothing may go wrong."""
    handler = _Collector(errors)
    loggers = [logging.getLogger(name) for name in ("harness", "asyncio")]
    passed = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, before in zip(loggers, passed, strict=True):
            logger.removeHandler(handler)
            logger.propagate = before


class _Collector(logging.Handler):
    def __init__(self, errors: list[BaseException | str]) -> None:
        super().__init__(logging.ERROR)
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._errors.append(error or record.getMessage())


def _told(error: BaseException | str) -> tuple[str, str]:
    """The error in a sentence with the place in our code, and that place."""
    if isinstance(error, str):
        return error, error
    frames = [f for f in traceback.walk_tb(error.__traceback__) if f[0].f_globals.get("__name__", "").startswith(_OURS)]
    where = type(error).__name__
    if frames:
        frame, line = frames[-1]
        where = f"{where} in {frame.f_globals['__name__']}:{line} ({frame.f_code.co_name})"
    return f"{where}: {error}", where
