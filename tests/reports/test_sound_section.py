"""The report's sound: opinions, lips with their limits, a row per decoded stream; nothing where nothing was heard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fake_run import FakeRun

from harness.measure.recorder import Recorder, Tags
from harness.trace.run_folder import RunFolder
from reports.finish import write_reports
from reports.load import load
from reports.sound import Sound, sound

COUNTS = {
    "soundSeconds": 10,
    "soundFrames": 500,
    "soundHeardSeconds": 10.0,
    "soundSpokenSeconds": 10,
    "soundJudgedSeconds": 8,
}


def heard(publisher: str, instead: dict[str, int] | None = None, **changes: float) -> dict[str, Any]:
    values = {"sound_delay_ms": [80.0, 90.0], "av_offset_ms": [12.0], "sound_level_dbfs": [-26.0]}
    counts = {**COUNTS, **changes}
    return {
        "subscriber": "me",
        "publisher": publisher,
        "counts": counts,
        "values": values,
        "heard_instead": instead or {},
    }


def with_sound(folder: RunFolder, rows: list[dict[str, Any]], offsets: list[float]) -> RunFolder:
    """The run, had it decoded sound in its last second."""
    lines = [json.loads(line) for line in folder.intervals.read_text().splitlines()]
    recorder = Recorder()
    recorder.samples("av_offset_ms", Tags("member", "r1", "vp8")).extend(offsets)
    recorder.samples("audio_mos", Tags("member", "r1", "vp8")).extend([4.2] * len(offsets))
    lines[-1]["heard"] = rows
    lines[-1]["trends"] += recorder.flush()["trends"]
    folder.intervals.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def section(folder: RunFolder) -> Sound | None:
    return sound(load(folder))


def test_a_run_that_measured_no_sound_has_no_section(tmp_path: Path) -> None:
    folder = FakeRun(tmp_path / "run").write()
    assert section(folder) is None
    write_reports(folder)
    assert 'id="sound"' not in folder.report.read_text()


def test_lips_are_held_against_the_recommendations_limits(tmp_path: Path) -> None:
    offsets = [-100.0, -50.0, -30.0, 0.0, 50.0, 70.0, 130.0, 190.0] * 10
    found = section(with_sound(FakeRun(tmp_path / "run").write(), [heard("a")], offsets))
    assert found is not None
    (row,) = [row for row in found.figures if row.name == "av_offset_ms"]
    assert row.note.replace("\u202f", " ") == (
        "37.5 % within EBU R37 (-40 to +60 ms); 50 % undetectable by ITU-R BT.1359 (-45 to +125 ms); "
        "75 % acceptable by ITU-R BT.1359 (-90 to +185 ms)"
    )
    assert row.quantiles[0].text.replace("\u202f", " ") == "-100 ms"


def test_the_worst_stream_comes_first_and_says_who_was_heard_instead(tmp_path: Path) -> None:
    rows = [
        heard("fine"),
        heard("concealed", soundConcealed=50),
        heard("stranger", {"bob": 6}, soundWrongSeconds=6),
        heard("silent", soundSilentSeconds=5, soundJudgedSeconds=0),
    ]
    folder = with_sound(FakeRun(tmp_path / "run").write(), rows, [1.0] * 10)
    found = section(folder)
    assert found is not None
    assert [row.publisher for row in found.rows] == ["stranger", "silent", "concealed", "fine"]
    stranger, silent, concealed, fine = found.rows
    assert stranger.wrong.replace("\u202f", " ") == "75 %, heard bob for 6 seconds"
    assert silent.wrong == "not to be told"
    assert silent.silent.replace("\u202f", " ") == "50 %"
    assert concealed.concealed.replace("\u202f", " ") == "10 %"
    assert fine.delay.replace("\u202f", " ") == "85 ms"
    write_reports(folder)
    page = folder.report.read_text()
    assert 'href="#sound"' in page
    assert "heard bob for 6 seconds" in page
