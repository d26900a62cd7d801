"""The section on decoded pictures: there when something was decoded, worst first, and proof against what is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fake_run import FakeRun
from page import Page

from harness.scenario.observe import ObserveShares
from reports.finish import write_reports

MakeRun = Callable[..., FakeRun]
JPEG = "/9j/4AAQSkZJRg=="


class DecodedRun(FakeRun):
    """A run of three users, every subscription decoded; the first stream of the first subscriber is damaged."""

    flaws = 0
    undecoded = 0
    frames = 25

    def decode(self) -> DecodedRun:
        depths = ObserveShares((("decode", 1.0),))
        people = tuple(replace(person, depths=depths) for person in self.plan.participants)
        self.plan = replace(self.plan, participants=people)
        self.depth = "decode"
        return self

    def _interval(self, second: int) -> dict[str, Any]:
        rows = []
        for number, (person, publisher) in enumerate(self.subscriptions()):
            damaged = 5 if number == 0 else 0
            row: dict[str, Any] = {
                "subscriber": person.user_id,
                "publisher": publisher.stream_id,
                "framesDecoded": self.frames,
                "framesUndecoded": self.undecoded,
                "picturesIntact": self.frames - damaged,
                "picturesWrong": self.flaws if number == 0 else 0,
                "psnr_db": [38.0 * self.frames, 30.0 - number, self.frames],
                "ssim": [0.93 * self.frames, 0.9, self.frames],
            }
            if damaged:
                row["network_psnr_db"] = [21.0 * damaged, 20.0, damaged]
            rows.append(row)
        return {**super()._interval(second), "decoded": rows if self.frames else []}


@pytest.fixture
def make_decoded(make_run: MakeRun) -> Callable[[], DecodedRun]:
    def make() -> DecodedRun:
        run = make_run(rooms=1, users=3, seconds=5)
        return DecodedRun(run.folder.path.parent / "decoded", rooms=1, users=3, seconds=5).decode()

    return make


def report(run: FakeRun) -> Page:
    folder = run.write()
    write_reports(folder)
    return Page(folder.report.read_text(encoding="utf-8"))


def kept(run: FakeRun, **changes: Any) -> dict[str, Any]:
    one, other = run.plan.participants[:2]
    found = {
        "subscriber": one.user_id, "publisher": other.stream_id, "at_us": 1, "t": 2.5, "intact": False, "clip_frame": 3,
        "psnr_db": 21.5, "ssim": 0.71, "network_psnr_db": 22.0, "flags": ["old"],
        "reference": JPEG, "received": JPEG, "difference": JPEG,
    }  # fmt: skip
    return found | changes


def test_a_run_without_decoding_says_nothing_of_pictures(make_run: MakeRun) -> None:
    page = report(make_run())
    assert 'id="pictures"' not in page.source and "Decoded pictures" not in page.text


def test_every_decoded_stream_has_a_row_the_damaged_one_first(make_decoded: Callable[[], DecodedRun]) -> None:
    run = make_decoded()
    run.flaws = 2
    section = report(run).section("pictures")
    assert "6 subscriptions of 6 decoded (6 planned): 750 pictures compared with what was sent." in section
    one, other = next(iter(run.subscriptions()))
    table = section[section.index("Decoded streams") :]
    first = f"{one.user_id} {other.stream_id} 125 80 % 38.0 dB 30.0 dB 0.930 21.0 dB 0 10 wrong"
    assert table.index(first) < table.index("100 %")
    assert table.count(" none") >= 5


def test_frames_the_generator_left_out_are_owned_up_to(make_decoded: Callable[[], DecodedRun]) -> None:
    run = make_decoded()
    run.undecoded = 1
    assert "The generator left out 30 frames because its decoders were behind." in report(run).section("pictures")


def test_planned_but_never_decoded_is_nothing_measured(make_decoded: Callable[[], DecodedRun]) -> None:
    run = make_decoded()
    run.frames = 0
    section = report(run).section("pictures")
    assert "0 subscriptions of 6 decoded (6 planned)" in section
    assert "nothing measured" in section


def test_the_worst_pictures_stand_in_the_page_itself(make_decoded: Callable[[], DecodedRun]) -> None:
    run = make_decoded()
    run.folder.pictures.write_text(json.dumps([kept(run), kept(run, intact=True, network_psnr_db=None, flags=[])]))
    page = report(run)
    images = [attrs for tag, attrs in page.elements if tag == "img"]
    assert [image["alt"] for image in images] == ["reference", "received", "difference"] * 2
    assert all(image["src"] == f"data:image/jpeg;base64,{JPEG}" for image in images)
    section = page.section("pictures")
    assert "second 2.50 : PSNR 21.5 dB, SSIM 0.710, by the network alone 22 dB, shows another frame" in section
    assert "intact: what coding cost" in section


@pytest.mark.parametrize(
    "content",
    [
        "", "not json", "[" * 100_000, "{}", "[1, null, {}]",
        json.dumps([{"reference": JPEG}]),
    ],
    ids=["empty", "text", "deep", "mapping", "others", "parts"],
)  # fmt: skip
def test_kept_pictures_that_cannot_be_read_are_left_out(make_decoded: Callable[[], DecodedRun], content: str) -> None:
    run = make_decoded()
    run.folder.pictures.write_text(content)
    page = report(run)
    assert not any(tag == "img" for tag, _ in page.elements)
    assert "Decoded streams" in page.text


def test_what_is_no_picture_does_not_get_into_the_page(make_decoded: Callable[[], DecodedRun]) -> None:
    run = make_decoded()
    hostile = [kept(run, received='x" onerror="alert(1)'), kept(run, subscriber="<script>alert(1)</script>")]
    run.folder.pictures.write_text(json.dumps(hostile))
    page = report(run)
    assert "onerror" not in page.source
    assert "<script" not in page.source and "&lt;script&gt;" in page.source
    assert not re.search(r'(src|href)="(?!data:|#|[\w.-]+")', page.source), "nothing is loaded from elsewhere"
