"""A decoded picture is held against the frame its stamp names: intact, damaged, another's, old, frozen or black."""

from __future__ import annotations

from collections.abc import Callable

import av
import numpy as np
import pytest

from harness.picture.judge import Finding, PictureJudge
from harness.picture.planes import Luma, frame_of
from harness.picture.reference import ClipReference
from harness.picture.scores import MOST_DB
from harness.picture.table import ClipTable
from synthetic_media import Camera, VideoClip, draw_strip

STAMP_ID = 7


@pytest.fixture
def reference(clip: VideoClip) -> ClipReference:
    return ClipReference(clip)


@pytest.fixture
def judge(reference: ClipReference, table: ClipTable) -> PictureJudge:
    return PictureJudge(reference, table, STAMP_ID)


def frame(luma: Luma) -> av.VideoFrame:
    grey = np.full((luma.shape[0] // 2, luma.shape[1] // 2), 128, np.uint8)
    return frame_of((luma, grey, grey))


def stamp(position: int, publisher: int = STAMP_ID) -> tuple[int, int, int, int, int]:
    return publisher, publisher, 1000 + position, position, 0


@pytest.fixture
def look(judge: PictureJudge) -> Callable[..., Finding]:
    return lambda luma, of, at_us=0: judge.look(frame(luma), of, at_us)


def test_an_intact_picture_has_the_scores_of_the_table(
    look: Callable, reference: ClipReference, table: ClipTable
) -> None:
    found = look(reference.decoded(13), stamp(13), 99)
    assert found == Finding(99, 13, True, table.psnr[13], table.ssim[13], None, None, False, False, False, False)


def test_one_pixel_makes_it_damaged(look: Callable, reference: ClipReference, table: ClipTable) -> None:
    luma = reference.decoded(13).copy()
    luma[100, 100] ^= 1
    found = look(luma, stamp(13))
    assert not found.intact
    assert found.psnr == pytest.approx(table.psnr[13], abs=1e-3)
    assert 90 < found.network_psnr < MOST_DB
    assert not (found.wrong or found.old or found.frozen or found.black)


def test_damage_to_the_strip_alone_is_damage_but_costs_no_quality(
    look: Callable, reference: ClipReference, table: ClipTable
) -> None:
    luma = reference.decoded(13).copy()
    luma[0, 0] ^= 1
    found = look(luma, stamp(13))
    assert not found.intact
    assert (found.psnr, found.network_psnr) == (pytest.approx(table.psnr[13], abs=1e-5), MOST_DB)


def test_a_picture_without_a_stamp_is_known_by_its_checksum_or_its_strip(
    look: Callable, reference: ClipReference
) -> None:
    assert look(reference.decoded(30), "absent").intact
    luma = reference.decoded(20).copy()
    luma[50:60] += 9
    found = look(luma, "absent")
    assert (found.position, found.old, found.wrong) == (20, False, False)


def test_one_that_cannot_be_read_either_is_held_against_the_frame_that_is_due(
    look: Callable, reference: ClipReference
) -> None:
    look(reference.decoded(30), stamp(30))
    luma = reference.decoded(31).copy()
    luma[:20] = 90
    found = look(luma, "damaged")
    assert found.position == 31
    assert found.psnr > 20, "scored, not left out"


def test_a_picture_of_another_size_is_scaled_and_scored(
    look: Callable, judge: PictureJudge, reference: ClipReference
) -> None:
    small = frame(reference.source(9)[0]).reformat(width=160, height=90)
    found = judge.look(small, stamp(9), 0)
    assert not found.intact and not found.wrong and not found.old
    assert 20 < found.psnr < 35


def test_anothers_picture_under_the_right_stamp_is_wrong(look: Callable) -> None:
    luma = Camera(12, 320, 180, 25, 50).picture(8)[0]
    draw_strip(luma, 12, 0, 8)
    found = look(luma, stamp(8))
    assert found.wrong and not found.old and found.psnr < 25


def test_anothers_stamp_is_not_taken_for_ours(look: Callable, reference: ClipReference) -> None:
    look(reference.decoded(4), stamp(4))
    luma = Camera(12, 320, 180, 25, 50).picture(40)[0]
    draw_strip(luma, 12, 0, 40)
    found = look(luma, stamp(40, publisher=8))
    assert found.wrong and found.position == 5, "held against what should have come"


def test_an_older_picture_under_a_newer_stamp_is_old(look: Callable, reference: ClipReference) -> None:
    look(reference.decoded(29), stamp(29))
    found = look(reference.decoded(5), stamp(30))
    assert found.old and not found.frozen and not found.wrong


def test_the_same_picture_under_the_next_stamp_is_frozen(look: Callable, reference: ClipReference) -> None:
    look(reference.decoded(29), stamp(29))
    again = look(reference.decoded(29), stamp(30))
    once_more = look((reference.decoded(29) & 0xFE).astype(np.uint8), stamp(31))
    assert again.frozen and not again.old
    assert once_more.frozen, "encoded again it is not the same bit by bit; its strip is"


def test_the_same_frame_again_is_not_frozen(look: Callable, reference: ClipReference) -> None:
    """Its stamp says the same: a doubled frame, and counted as one."""
    assert not look(reference.decoded(29), stamp(29)).frozen
    assert not look(reference.decoded(29), stamp(29)).frozen
    luma = reference.decoded(29) ^ 1
    assert not look(luma, stamp(29)).frozen
    assert not look(luma, stamp(29)).frozen


@pytest.mark.parametrize(("luma", "black"), [(16, True), (30, True), (60, False)])
def test_black_is_what_blackdetect_calls_so(look: Callable, luma: int, black: bool) -> None:
    assert look(np.full((180, 320), luma, np.uint8), stamp(3)).black is black


def test_a_dark_picture_with_something_in_it_is_not_black(look: Callable) -> None:
    luma = np.full((180, 320), 16, np.uint8)
    luma[80:120, 100:160] = 120
    assert not look(luma, stamp(3)).black
