"""A clip's table is measured once, kept beside it, and never that of another clip."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.picture import table as tables
from harness.picture.clip_decoder import ClipDecoder
from harness.picture.planes import checksum
from harness.picture.reference import ClipReference
from harness.picture.table import ClipTable, load_table
from harness.picture.vmaf import clip_vmaf, vmaf_version
from synthetic_media import VideoClip, VideoSpec, load_video


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[VideoClip]:
    """The clips that were measured."""
    measured: list[VideoClip] = []
    really = tables._measured

    def measure(clip: VideoClip) -> dict[str, object]:
        measured.append(clip)
        return really(clip)

    monkeypatch.setattr(tables, "_measured", measure)
    return measured


def test_every_frame_has_the_checksum_of_the_senders_own_decode(clip: VideoClip, table: ClipTable) -> None:
    decoder = ClipDecoder(clip)
    assert [checksum(decoder.luma(n)) for n in range(50)] == list(table.crc)
    assert len(set(table.crc)) == 50
    assert all(30 < psnr < 60 for psnr in table.psnr) and all(0.8 < ssim < 1 for ssim in table.ssim)


def test_it_is_measured_once(clip: VideoClip, tmp_path: Path, counted: list[VideoClip]) -> None:
    assert load_table(clip, tmp_path) == load_table(clip, tmp_path)
    assert len(counted) == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_a_damaged_one_is_measured_anew(clip: VideoClip, tmp_path: Path, counted: list[VideoClip], damage: str) -> None:
    whole = load_table(clip, tmp_path)
    (path,) = tmp_path.glob("quality-*.table")
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[-40:]
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
    else:
        content.clear()
    path.write_bytes(content)
    assert load_table(clip, tmp_path) == whole
    assert len(counted) == 2
    load_table(clip, tmp_path)
    assert len(counted) == 2, "and kept again"


def test_a_clip_of_other_bytes_has_another_table(clip: VideoClip, tmp_path: Path, counted: list[VideoClip]) -> None:
    """As when a library was changed: same seed and settings, other frames."""
    load_table(clip, tmp_path)
    load_table(replace(clip, frames=(clip.frames[0], clip.frames[0], *clip.frames[2:])), tmp_path)
    assert len(counted) == 2


def test_the_table_of_another_clip_under_this_ones_name_is_not_used(
    folder: Path, tmp_path: Path, counted: list[VideoClip]
) -> None:
    one, other = (load_video(VideoSpec(320, 180, 25, 250_000, "vp8", seconds=2.0), seed, folder) for seed in (11, 12))
    right = load_table(one, tmp_path / "one")
    load_table(other, tmp_path / "other")
    ((mine,), (others,)) = ((tmp_path / name).glob("quality-*") for name in ("one", "other"))
    shutil.copy(others, mine)
    assert load_table(one, tmp_path / "one") == right
    assert len(counted) == 3


def test_references_are_the_same_in_whatever_order_they_are_asked_for(clip: VideoClip, table: ClipTable) -> None:
    reference = ClipReference(clip)
    for position in (30, 31, 3, 49, 0, 30, 27, 26, 25):
        assert checksum(reference.decoded(position)) == table.crc[position]
    assert (reference.source(5)[0] != reference.source(6)[0]).any()
    assert (reference.source(5)[0] == ClipReference(clip).source(5)[0]).all()


def test_without_the_extra_there_is_no_vmaf(clip: VideoClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "vmaf_version", lambda: None)
    assert load_table(clip, tmp_path, measure_vmaf=True).vmaf is None


@pytest.mark.skipif(vmaf_version() is None, reason="needs the extra: pip install 'call-harness[vmaf]'")
def test_vmaf_is_measured_when_asked_for_and_kept(clip: VideoClip, tmp_path: Path) -> None:
    assert load_table(clip, tmp_path).vmaf is None
    found = load_table(clip, tmp_path, measure_vmaf=True).vmaf
    assert found is not None and len(found) == 50
    assert all(20 < score <= 100 for score in found)
    assert load_table(clip, tmp_path).vmaf == found
    assert list(found) == pytest.approx(clip_vmaf(clip), abs=1e-3)


def test_a_vmaf_program_that_fails_leaves_the_rest(
    clip: VideoClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(clip: VideoClip) -> list[float]:
        raise RuntimeError("ffmpeg could not compute VMAF: no such model")

    monkeypatch.setattr(tables, "vmaf_version", lambda: "x")
    monkeypatch.setattr(tables, "clip_vmaf", fails)
    found = load_table(clip, tmp_path, measure_vmaf=True)
    assert found.vmaf is None and len(found.psnr) == 50
    assert "no such model" in caplog.text
