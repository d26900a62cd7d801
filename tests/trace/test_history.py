"""A trace as its judges read it: every record once, in the order of time, and each thing that is wrong named."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.trace import order
from harness.trace.history import History, history_of, open_history
from harness.trace.problems import MOST_KEPT
from harness.trace.reader import MAX_LINE_BYTES, TraceError

HEADER = {"format": "call-trace", "version": 1, "epsilon_us": 7}
HEAD = json.dumps(HEADER).encode() + b"\n"


def mark(t: Any, **fields: Any) -> dict[str, Any]:
    return {"kind": "mark", "name": "m", "t": t, **fields}


def written(path: Path, *lines: dict[str, Any] | bytes) -> Path:
    body = [line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines]
    path.write_bytes(HEAD + b"".join(body))
    return path


def texts(history: History) -> list[str]:
    list(history)
    return [text for _, text in history.problems]


def test_records_have_their_lines_as_addresses_and_typed_arguments(tmp_path: Path) -> None:
    state = {"kind": "cb", "name": "room.state", "t": 2, "client": "a#1", "seq": 0, "args": {"state": "IN"}}
    history = open_history(written(tmp_path / "t", mark(1.5), state))
    assert history.header["epsilon_us"] == 7
    first, second = list(history)
    assert (first.line, second.line, second.args.state, history.records) == (2, 3, "IN", 2)
    assert history.problems == []


def test_the_same_records_in_memory_and_in_a_file_are_the_same_history(tmp_path: Path) -> None:
    records = [mark(3.0, client="a", seq=0), mark(2.5, client="b", seq=0), mark(-1), mark(4.0, client="a", seq=0)]
    here, there = history_of(records, HEADER), open_history(written(tmp_path / "t", *records))
    assert [(r.line, r.t) for r in here] == [(r.line, r.t) for r in there] == [(3, 2.5), (2, 3.0), (5, 4.0)]
    assert here.problems == there.problems
    assert here.header == there.header


def test_a_history_can_be_read_again_and_problems_are_those_of_the_last_reading() -> None:
    history = history_of([mark(1), {"kind": "cb"}])
    assert len(list(history)) == len(list(history)) == 1
    assert (history.problem_count, len(history.problems)) == (1, 1)


def test_lines_of_several_writers_are_put_in_the_order_of_time_and_ties_in_the_order_of_lines() -> None:
    times = [5.0, 4.0, 5.0, 3.2, 4.0, 6.0]
    assert [record.line for record in history_of([mark(t) for t in times])] == [5, 3, 6, 2, 4, 7]


def test_a_record_within_the_window_finds_its_place_and_one_beyond_it_is_a_problem() -> None:
    assert texts(history_of([mark(10), mark(8)])) == []
    (text,) = texts(history_of([mark(10), mark(7.999)]))
    assert "line 3 stands 2.001 s behind" in text
    assert texts(history_of([mark(10), mark(6)], window=5)) == []


def test_order_holds_across_batches_however_long_the_trace() -> None:
    times = [n / 100 + (1.9 if n % 7 == 0 else 0) for n in range(20_000)]
    history = history_of([mark(t) for t in times])
    found = [(record.t, record.line) for record in history]
    assert found == sorted((t, line) for line, t in enumerate(times, 2))
    assert history.problems == []


def test_a_client_whose_seq_goes_back_or_comes_twice_is_a_problem_and_others_do_not_matter() -> None:
    fine = [mark(1, client="a", seq=0), mark(1, client="b", seq=0), mark(1, client="a", seq=4), mark(1, client="a")]
    assert texts(history_of(fine)) == []
    for seq in (3, 4):
        (text,) = texts(history_of([*fine, mark(1, client="a", seq=seq)]))
        assert text.startswith(f"reordered: line 6 has seq {seq} of client 'a' after its seq 4")


def test_a_last_line_without_its_end_is_a_cut_and_the_rest_is_read(tmp_path: Path) -> None:
    history = open_history(written(tmp_path / "t", mark(1), b'{"kind":"mark"'))
    assert len(list(history)) == 1
    assert history.problems == [(3, "the trace was cut in line 3")]


def test_a_header_that_was_cut_after_its_last_brace_is_a_trace_without_records(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(HEAD.strip())
    history = open_history(tmp_path / "t")
    assert list(history) == []
    assert history.problems == [(1, "the trace was cut in line 1")]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"rubbish\n", "not a record"),
        (b"\n", "it is empty"),
        (b"7\n", "Expected `object`"),
        (b"[" * 100_000 + b"\n", "not a record"),
        (b'{"name":"m","t":1}\n', "missing required field `kind`"),
        (b'{"kind":"mark","name":"m"}\n', "missing required field `t`"),
        (b'{"kind":"noise","name":"m","t":1}\n', "'noise'"),
        (b'{"kind":"mark","name":"m","t":NaN}\n', "not a record"),
        (b'{"kind":"mark","name":"m","t":1e999}\n', "out of range"),
        (b'{"kind":"mark","name":"m","t":-1}\n', "t is -1"),
        (b'{"kind":"mark","name":"m","t":1795515593951}\n', "t is 1.79552e+12; allowed: seconds"),
        (b'{"kind":"mark","name":"m","t":1,"t_wire":-0.5}\n', "t_wire is -0.5"),
        (b'{"kind":"mark","name":"m","t":"1"}\n', "Expected `float`"),
        (b'{"kind":"mark","name":"\xff","t":1}\n', "not a record"),
        (b'{"kind":"cb","name":"room.state","t":1,"args":{"state":3}}\n', "`$.state`"),
        (b'{"kind":"cb","name":"play.state","t":1,"args":{"state":"LIVE"}}\n', "`stream`"),
        (b'{"kind":"cb","name":"roster.users","t":1,"args":{"op":"MORE","items":[]}}\n', "'MORE'"),
    ],
)
def test_a_line_that_is_no_record_is_named_and_skipped(tmp_path: Path, line: bytes, says: str) -> None:
    history = open_history(written(tmp_path / "t", mark(1), line, mark(2)))
    assert [record.line for record in history] == [2, 4]
    ((number, text),) = history.problems
    assert number == 3
    assert text.startswith("line 3 is not a record: ")
    assert says in text
    assert "\n" not in text


def test_of_many_problems_the_first_are_kept_the_others_counted_and_the_cut_is_always_named(tmp_path: Path) -> None:
    history = open_history(written(tmp_path / "t", *[b"x\n"] * 100, b"end"))
    assert list(history) == []
    assert history.problem_count == 101
    assert [line for line, _ in history.problems] == [*range(2, 2 + MOST_KEPT), 102]


def test_a_line_as_long_as_the_limit_is_read_and_a_longer_one_passed_over(tmp_path: Path) -> None:
    def long(length: int) -> bytes:
        start = b'{"kind":"mark","name":"m","t":1,"text":"'
        return start + b"x" * (length - len(start) - 3) + b'"}\n'

    lines = (long(MAX_LINE_BYTES), long(MAX_LINE_BYTES + 1), long(3 * MAX_LINE_BYTES), mark(2))
    history = open_history(written(tmp_path / "t", *lines))
    assert [record.line for record in history] == [2, 5]
    assert [line for line, _ in history.problems] == [3, 4]
    assert f"longer than {MAX_LINE_BYTES} bytes" in history.problems[0][1]


def test_a_line_without_end_is_never_held_in_memory(tmp_path: Path) -> None:
    path = written(tmp_path / "t", mark(1))
    with path.open("r+b") as file:
        file.truncate(1 << 30)  # sparse: a gigabyte of zeros, and no newline in it
    history = open_history(path)
    tracemalloc.start()
    assert len(list(history)) == 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert [line for line, _ in history.problems] == [3, 3]


def test_a_window_that_holds_more_than_memory_may_lets_the_oldest_go_and_still_gives_each_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order, "MOST_HELD", 1000)
    history = history_of([mark(1 + n / 1e6) for n in range(20_000)] + [mark(1)])
    assert sorted(record.line for record in history) == list(range(2, 20_003))
    assert [line for line, _ in history.problems] == [20_002]


def test_one_time_far_ahead_spoils_no_order_but_is_a_problem() -> None:
    times = [1.0, 900.0, *(2 + n / 1000 for n in range(5000))]
    history = history_of([mark(t) for t in times])
    assert [record.t for record in history] == sorted(times)
    assert history.problem_count == 5000


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"", "not JSON"),
        (b"\x00\xff", "not JSON"),
        (b"{}", '"format": "call-trace"'),
        (b'{"format":"call-trace","version":2}', "trace version 2; this reads version 1"),
        (b'{"format":"call-trace","version":true}', "trace version True"),
        (b'{"format":"call-trace","version":1,"epsilon_us":-1}', "epsilon_us must be a number from 0 on"),
        (b'{"format":"call-trace","version":1,"epsilon_us":NaN}', "not JSON"),
        (b'{"format":"call-trace","version":1,"started":"now"}', "started must be"),
        (b'{"format":"call-trace","version":1,"pad":"' + b"x" * MAX_LINE_BYTES + b'"}', "not JSON"),
    ],
)
def test_what_is_no_trace_of_a_known_version_is_refused_in_one_sentence(tmp_path: Path, head: bytes, says: str) -> None:
    path = tmp_path / "t"
    path.write_bytes(head + b"\n")
    with pytest.raises(TraceError) as caught:
        open_history(path)
    assert str(caught.value).startswith(f"{path}:1: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_an_impossible_name_are_trace_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path, Path("a\x00b")):
        with pytest.raises(TraceError, match="allowed: a trace"):
            open_history(path)


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from([HEAD, b'{"kind":"mark","name":"m","t":', b"1}",
    b"\n", b"\xff", b'{"t":1e400}', b"-", b'"\\ud800"', b",", b'"args":', b"["])).map(b"".join)))  # fmt: skip
def test_any_bytes_are_records_and_problems_or_a_trace_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes"
    for whole in (content, HEAD + content):
        path.write_bytes(whole)
        try:
            history = open_history(path)
        except TraceError:
            assert whole == content
            continue
        lines = [record.line for record in history] + [line for line, _ in history.problems]
        assert len(set(lines)) == len(lines) == whole.count(b"\n") - 1 + (not whole.endswith(b"\n"))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.floats(0, 30), st.sampled_from("abc"), st.integers(-1, 20)), max_size=60),
    st.sampled_from([1, 3, 1000]),
    st.sampled_from([2, 1000]),
)
def test_reordering_keeps_every_record_exactly_once_and_every_other_order_is_a_problem(
    given_records: list[tuple[float, str, int]], fewest: int, most: int
) -> None:
    records = [mark(t, client=client, seq=seq) for t, client, seq in given_records]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "_FEWEST", fewest)
        patch.setattr(order, "MOST_HELD", most)
        patch.setattr("harness.trace.history._BATCH", 2)
        history = history_of(records)
        found = list(history)
    assert sorted(record.line for record in found) == list(range(2, len(records) + 2))
    late = any("behind" in text for _, text in history.problems)
    assert late or [(r.t, r.line) for r in found] == sorted((r.t, r.line) for r in found)
    for client in "abc":
        seqs = [r.seq for r in found if r.client == client and r.seq >= 0]
        assert all(a < b for a, b in itertools.pairwise(seqs)) or history.problem_count
