"""Traces, profiles and selections that make no sense: one sentence or an UNKNOWN, never a traceback, never a pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from made_trace import HEADER, made_lines

from harness.cli import main
from harness.contract.catalogue import RULES
from harness.contract.judge import Judge, judge_file
from harness.contract.profile import ProfileError, load_profile
from harness.contract.verdict import Verdict
from harness.trace.history import history_of

LINES = list(made_lines(800))


def check(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, words)])


def written(folder: Path, lines: list[bytes]) -> Path:
    path = folder / "trace.jsonl"
    path.write_bytes(b"".join(lines))
    return path


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lines: [*lines[:-1], lines[-1][:-9]], "line 801"),
        (lambda lines: [*lines[:300], b"{ not JSON\n", *lines[300:]], "line 301"),
        (lambda lines: [*lines[:300], b'[1, 2]\n', *lines[300:]], "line 301"),
        (lambda lines: [*lines[:100], *reversed(lines[100:])], "line"),
        (lambda lines: [*lines[:100], b'{"kind":"cb","name":"room.state","t":"soon"}\n', *lines[100:]], "line 101"),
        (lambda lines: [*lines[:100], b'{"kind":"cb","name":"roster.users","t":1,"args":{"op":"ALL"}}\n', *lines[100:]],
         "line 101"),
        (lambda lines: lines[:1], "no records"),
    ],
    ids=["cut", "not JSON", "no object", "reordered", "a time that is text", "an op that is none", "a header alone"],
)  # fmt: skip
def test_a_spoilt_trace_has_no_verdict_and_says_where(spoil, said: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = check(written(tmp_path, spoil(LINES)))
    assert done.exit_code == 3, done.output
    assert said in done.output and "UNKNOWN" in done.output and "Traceback" not in done.output


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (b"hello\n", "not a trace"),
        (json.dumps({**HEADER, "version": 99}).encode() + b"\n", "version"),
        (json.dumps({**HEADER, "format": "pcap"}).encode() + b"\n", "call-trace"),
        (b"", "not a trace"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_in_one_line(first: bytes, said: str, tmp_path: Path) -> None:
    done = check(written(tmp_path, [first, *LINES[1:]]) if first else written(tmp_path, []))
    assert done.exit_code == 2 and said in done.output and len(done.output.strip().splitlines()) == 1


def test_a_line_of_gigabytes_is_passed_over_and_named(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with path.open("wb") as file:
        file.writelines(LINES[:50])
        for _ in range(40):
            file.write(b"x" * (1 << 20))
        file.write(b"\n")
        file.writelines(LINES[50:])
    judgement = judge_file(path, load_profile("reference"))
    assert judgement.verdict is Verdict.UNKNOWN and judgement.problems[0].line == 51
    assert judgement.records == len(LINES) - 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("heart: 3\n", "1: heart: unknown key; allowed are name,"),
        ("title: x\ndeadlines:\n  propp: 3\n", "3: deadlines.propp: unknown key; allowed are call,"),
        ("heartbeat: [100, 90]\n", "heartbeat"),
        ("deadlines: {call: -1}\n", "deadlines.call"),
        ("promises: [XX]\n", "'XX' is no rule"),
        ("promises: [RS-99]\n", "'RS-99' is no rule"),
        ("roster: sometimes\n", "after_in"),
        ("extends: nobody\n", "extends 'nobody'"),
        ("- a\n", "a profile is a mapping"),
        ("a: [\n", "not YAML"),
        ("!!python/object/apply:os.system [true]\n", "not YAML"),
    ],
)
def test_a_profile_that_makes_no_sense_says_where_and_what_is_allowed(text: str, said: str, tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text(text)
    done = check(written(tmp_path, LINES), "--profile", profile)
    assert done.exit_code == 2 and said in done.output and len(done.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words", [["--rule", "RX-01"], ["--rule", "RS-88"], ["--rule", "rooster"], ["--profile", "zeego"]]
)
def test_what_does_not_exist_is_named_with_what_does(words: list[str], tmp_path: Path) -> None:
    done = check(written(tmp_path, LINES), *words)
    assert done.exit_code == 2 and repr(words[1]) in done.output and len(done.output.strip().splitlines()) == 1


def test_a_profile_may_extend_a_shipped_one_and_change_a_single_value(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text("extends: zego\ndeadlines: {propagation: 9}\nweaker: [RO-08, XC-01]\n")
    ours, theirs = load_profile(str(path)), load_profile("zego")
    assert ours.deadlines.propagation == 9 and ours.deadlines.call == theirs.deadlines.call
    assert ours.promises == theirs.promises and ours.name == "ours"


@pytest.mark.parametrize("parameters", [{"heartbeat": "long"}, {"heartbeat": [3]}, {"propagation": -1}])
def test_parameters_of_a_trace_that_make_no_sense_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ProfileError, match="parameters"):
        Judge(load_profile("reference"), {**HEADER, "parameters": parameters})


def test_a_check_that_fails_makes_its_rule_unknown_and_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(self: object, presence: object, record: object) -> None:
        raise ZeroDivisionError("in the check")

    monkeypatch.setattr(RULES["RO-03"].check, "users", crash)
    records = [json.loads(line) for line in LINES[1:]]
    judging = Judge(load_profile("reference"), HEADER)
    for record in history_of(records):
        judging.feed(record)
    judgement = judging.conclude()
    assert judgement.outcomes["RO-03"].verdict is Verdict.UNKNOWN
    assert "ZeroDivisionError" in judgement.outcomes["RO-03"].reason and "line" in judgement.outcomes["RO-03"].reason
    assert judgement.outcomes["RO-05"].verdict is Verdict.PASS and judgement.verdict is Verdict.UNKNOWN


NAMES = st.sampled_from(
    sorted({json.loads(line)["name"] for line in LINES[1:]} | {"msg", "room.extra", "kick", "crash"})
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 799),
            st.sampled_from(("client", "user", "room", "kind", "name", "args", "op", "t", "seq", "epoch")),
            ANYTHING | NAMES,
        ),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.integers(1, 799), max_size=20),
)
def test_whatever_a_trace_says_every_rule_has_a_verdict(
    changes: list[tuple[int, str, object]], dropped: list[int]
) -> None:
    records = [json.loads(line) for line in LINES[1:]]
    for number, key, value in changes:
        records[number][key] = value
    history = history_of([record for number, record in enumerate(records) if number not in dropped])
    judging = Judge(load_profile("zego"), HEADER)
    for record in history:
        judging.feed(record)
    judgement = judging.conclude()
    assert set(judgement.outcomes) == set(RULES)
    assert not [o.reason for o in judgement.outcomes.values() if o.verdict is Verdict.UNKNOWN]
