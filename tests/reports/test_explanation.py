"""A violation explained in text, and drawn."""

from __future__ import annotations

import re
from dataclasses import replace

from judged_traces import RULES, STARTED, check, clean, conformance, faulty, outage, outcome, record, unannounced

from harness.contract.verdict import Verdict, Violation
from reports.conformance import Broken
from reports.explanation import MOST_LINES, explain, shown_witness
from reports.sequence import MOST_LANES, sequence


def broken(violation: Violation) -> Broken:
    found = outcome(violation.rule, violation)
    return Broken(check("S09 short outage", clean() | {violation.rule: found}), found, violation, 1)


def crowd(count: int, guilty: int) -> Violation:
    """A proof of many lines, each of another client."""
    heard = [record(n, n, f"c{n}#1", "cb", "room.state", state="IN") for n in range(1, count + 1)]
    return Violation("RO-03", STARTED, "e", "c", tuple(heard), guilty, {})


def test_an_explanation_has_the_proof_in_order_with_the_guilty_line_marked() -> None:
    text = explain(broken(outage()), RULES)
    lines = text.splitlines()
    assert lines[0] == (
        "RC-01 FAIL  S09 short outage: an outage of less than 90 s is not seen by the others, but DEL of"
    )
    assert re.findall(r"line (\d+)", text) == ["190", "191", "214", "236"]
    assert "  > line 214  12.402 s  carol#1  roster.streams DEL s_bob reason 2  <-- breaks it" in lines
    assert "    line 190  10.000 s  bob#1    fault black_hole begins" in lines
    assert text.count("<-- breaks it") == 1
    assert "  expected  an outage of less than 90 s is not seen by the others" in lines
    assert "  came      DEL of s_bob in one of 41.20 s" in lines
    for part in (RULES["RC-01"].requirement, RULES["RC-01"].why, RULES["RC-01"].source, "room r1, user bob"):
        assert part in text


def test_what_never_came_is_marked_at_the_time_and_client_where_it_had_to_hold() -> None:
    text = explain(broken(unannounced()), RULES)
    assert re.search(r"  > then +8\.000 s  carol#1  was due by now  <-- breaks it", text)
    assert text.count("<-- breaks it") == 1


def test_a_must_that_the_profile_makes_a_should_is_told_as_such() -> None:
    found = broken(outage())
    found.outcome.verdict = Verdict.NON_STRICT
    assert "\n  should    An outage" in explain(found, RULES) and "RC-01 NON-STRICT" in explain(found, RULES)


def test_lines_fit_the_width_but_for_the_proof() -> None:
    for width in (60, 80, 120):
        text = explain(broken(outage()), RULES, width)
        assert all(len(line) <= width for line in text.splitlines() if "line " not in line and "> " not in line)


def test_control_characters_of_a_peer_do_not_reach_the_reader() -> None:
    evil = "s\x1b[2J\n\u202e"
    text = explain(broken(replace(outage(stream=evil), came=f"DEL of {evil}", subject={"user": evil})), RULES)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text)
    assert r"\x1b[2J\n\u202e" in text


def test_a_long_proof_is_cut_in_the_middle_but_keeps_its_guilty_line() -> None:
    for guilty in (1, 45, 50, 99, 100):
        records, left = shown_witness(crowd(100, guilty))
        assert len(records) == MOST_LINES and left == 100 - MOST_LINES
        assert guilty in [record.line for record in records]
        assert records == sorted(records, key=lambda record: record.line)
    assert f"{100 - MOST_LINES} more lines" in explain(broken(crowd(100, 50)), RULES)


def test_a_drawing_has_a_lane_for_each_client_and_the_service_between_cause_and_effect() -> None:
    svg = sequence(broken(outage())).svg
    lanes = dict(re.findall(r'<text class="who" x="([\d.]+)"[^>]*>([^<]+)<', svg))
    at = {name: float(x) for x, name in lanes.items()}
    assert at["bob#1"] < at["service"] < at["carol#1"]


def test_calls_go_to_the_service_and_callbacks_come_from_it() -> None:
    svg = sequence(broken(unannounced())).svg
    ends = re.findall(r'<line class="(?:arrow|answer)[^"]*" x1="([\d.]+)" x2="([\d.]+)"', svg)
    rightwards = [float(end) > float(start) for start, end in ends]
    assert rightwards == [True, False, False, True]  # call, its result, its callback; what carol never heard


def test_the_guilty_arrow_is_told_by_colour_and_by_mark() -> None:
    svg = sequence(broken(outage())).svg
    (label,) = re.findall(r'<text class="label guilty"[^>]*>([^<]+)<', svg)
    assert label == "roster.streams DEL s_bob reason 2 ✗"
    assert svg.count('class="arrow guilty"') == 1


def test_a_fault_is_a_bar_from_its_begin_to_its_end() -> None:
    svg = sequence(broken(outage())).svg
    (bar,) = re.findall(r'<rect class="fault" x="[\d.]+" y="([\d.]+)" width="10" height="([\d.]+)"', svg)
    assert [float(value) for value in bar] == [74.0, 120.0]  # three rows of 40
    cut = outage()
    endless = sequence(broken(replace(cut, witness=cut.witness[:3]))).svg
    assert endless.count('<rect class="fault"') == 1


def test_more_clients_than_fit_are_counted_and_the_guilty_one_is_drawn() -> None:
    drawing = sequence(broken(crowd(12, 12)))
    assert drawing.svg.count('class="lane"') == MOST_LANES
    assert "c12#1" in drawing.svg and "5 more clients not drawn" in drawing.caption


def test_a_drawing_needs_no_ids_and_escapes_names() -> None:
    evil = '"><script>x</script>'
    svg = sequence(broken(outage(others=f"{evil}#1", stream=evil))).svg
    assert "<script" not in svg and " id=" not in svg and "&lt;script&gt;" in svg


def test_every_violation_of_a_set_can_be_explained_and_drawn() -> None:
    found = conformance(*faulty().checks)
    assert all(explain(each, RULES) and sequence(each).svg for each in found.telling())
