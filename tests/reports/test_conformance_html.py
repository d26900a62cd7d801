"""conformance.html, and what the report of a load run says of its callbacks."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from fake_run import FakeRun
from judged_traces import RULES, check, clean, conformance, faulty, outage, outcome, silent
from page import Page

from harness.contract.verdict import Problem, Verdict
from harness.swarm.judgement import results
from reports.conformance import Conformance
from reports.conformance_files import write_conformance_run
from reports.conformance_html import MOST_OF_A_RULE, MOST_VIOLATIONS, render_conformance
from reports.html import write_html
from reports.load import load

EVIL = '<script>alert("x")</script>&amp;\x1b[2J'


def page(found: Conformance) -> Page:
    return Page(render_conformance(found, RULES))


@pytest.fixture(scope="module")
def broken() -> Page:
    return page(faulty())


def test_the_head_has_the_verdict_and_what_was_broken(broken: Page) -> None:
    assert "FAIL 4 violations of 3 rules, in 2 traces. Behaviour: FAIL, Teardown: PASS." in broken.text
    assert "profile vendor-a, 2 traces against the embedded service on a virtual clock" in broken.text
    assert not broken.open


def test_the_matrix_has_a_cell_with_a_word_for_every_rule_and_trace(broken: Page) -> None:
    cells = [a for tag, a in broken.elements if tag == "td" and (a.get("class") or "").startswith("cell")]
    assert len(cells) == 7 * 2
    matrix = broken.section_source("matrix")
    assert 'href="#RC-01-in-2-1" title="RC-01 in S09 short outage: failed"' in matrix and ">✗ 1</a>" in matrix
    assert 'href="#RO-03" title="RO-03 in S01 two users: passed"' in matrix and ">✓ 3</a>" in matrix
    assert ">n/p</a>" in matrix and ">·</a>" in matrix and ">~ 1</a>" in matrix


def test_every_violation_has_its_diagram_its_lines_and_its_rule(broken: Page) -> None:
    section = broken.section("violations")
    assert broken.section_source("violations").count("<svg ") == 4
    for part in (
        "RC-01 FAIL S09 short outage",
        "an outage of less than 90 s is not seen by the others",
        "DEL of s_bob in one of 41.20 s",
        RULES["RC-01"].requirement,
        RULES["RC-01"].why,
        RULES["RC-01"].source,
        "✗ 214 12.402 carol#1 roster.streams DEL s_bob reason 2",
    ):
        assert part in section


def test_every_link_leads_to_a_place_on_the_page_and_ids_are_unique(broken: Page) -> None:
    ids = re.findall(r'\bid="([^"]+)"', broken.source)
    assert len(ids) == len(set(ids)) and set(RULES) <= set(ids)
    assert set(re.findall(r'href="#([^"]+)"', broken.source)) <= set(ids)


def test_it_needs_no_script_and_fetches_nothing(broken: Page) -> None:
    assert not any(tag == "script" for tag, _ in broken.elements)
    for _, attributes in broken.elements:
        for name in ("src", "href", "srcset", "action"):
            assert not re.match(r"(https?:)?//", attributes.get(name) or "")
    assert "url(" not in broken.source and "@import" not in broken.source


def test_every_class_that_a_drawing_uses_is_in_the_style_sheet(broken: Page) -> None:
    used = set(re.findall(r'<(?:line|text|rect|circle|path) class="([\w -]+)"', broken.source))
    style = broken.source[: broken.source.index("</style>")]
    assert {word for name in used for word in name.split()} >= {"lane", "arrow", "answer", "fault", "guilty"}
    assert all(f".{word}" in style for name in used for word in name.split())


def test_how_fast_news_spread_shows_what_was_measured(broken: Page) -> None:
    section = broken.section("propagation")
    assert "S01 two users: users 12 31.2 ms 80 ms 93 ms" in section
    assert "S01 two users: all 0 2" in section
    assert "propagation" not in page(conformance(check("a", clean()))).source.split("</style>")[1]


def test_problems_and_why_there_is_no_verdict_are_at_the_head() -> None:
    crashed = clean(RC_01=silent("RC-01", Verdict.UNKNOWN, "the check failed"))
    text = page(conformance(check("S03", crashed, Problem(214, "not JSON")))).text
    assert "UNKNOWN None of 6 judged rules was broken, in 1 trace." in text
    assert "No verdict on RC-01: the check failed." in text and "S03, line 214: not JSON" in text


def test_names_of_a_peer_show_as_text_everywhere() -> None:
    found = faulty()
    found.service = found.profile = found.checks[1].name = EVIL
    found.checks[0].judgement.problems.append(Problem(1, EVIL))
    found.checks[0].judgement.outcomes["RS-02"].reason = EVIL
    found.checks[1].judgement.outcomes["RC-01"].violations = [outage(others=f"{EVIL}#1", stream=EVIL)]
    found.checks[1].judgement.propagation = {EVIL: {"count": 1}}
    hostile = page(found)
    assert "<script" not in hostile.source and "\x1b" not in hostile.source and not hostile.open
    assert r'<script>alert("x")</script>&amp;\x1b[2J' in hostile.section("traces")


def test_many_violations_are_counted_and_few_are_drawn() -> None:
    many = clean(**{rule.replace("-", "_"): outcome("RC-01", *[outage()] * 20) for rule in RULES})
    large = page(conformance(*(check(f"S{n:02}", many) for n in range(30))))
    drawn = large.source.count("<svg ")
    assert drawn == MOST_OF_A_RULE and drawn < MOST_VIOLATIONS
    assert "4 197 more violations are counted and not drawn" in large.text
    assert len(large.source) < 1_000_000


def test_equal_sets_give_equal_bytes(broken: Page) -> None:
    assert render_conformance(faulty(), RULES) == broken.source


# -- in the report of a load run -------------------------------------------------------------------------------------


def run_report(run: FakeRun, found: Conformance | None) -> Page:
    data = load(run.write())
    data.conformance = found
    if found is not None:
        write_conformance_run(found, RULES, data.folder.path)
    write_html(data, results(data.measured, data.settings, 0), data.folder.report)
    return Page(data.folder.report.read_text(encoding="utf-8"))


def test_a_load_run_shows_each_broken_rule_once_with_its_first_violation(make_run: Callable[..., FakeRun]) -> None:
    report = run_report(make_run(), faulty())
    section, source = report.section("callbacks"), report.section_source("callbacks")
    assert "FAIL 4 violations of 3 rules, in 2 traces." in section
    assert source.count("<article") == source.count("<svg ") == 3
    assert "1 more violation of LV-03." in section and "Not exercised (1) LV-08" in section
    assert "conformance.html" in report.section("files") and "conformance.sarif" in report.section("files")
    assert not report.open
    ids = re.findall(r'\bid="([^"]+)"', report.source)
    assert set(re.findall(r'href="#([^"]+)"', report.source)) <= set(ids)


def test_a_run_that_was_not_judged_says_nothing_of_callbacks(make_run: Callable[..., FakeRun]) -> None:
    report = run_report(make_run(), None)
    assert 'id="callbacks"' not in report.source and "conformance" not in report.section("files")
