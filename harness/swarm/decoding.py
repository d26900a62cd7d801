"""What the pictures of a simulated user are held against: its own clip, shared by all who decode it."""

from __future__ import annotations

from collections.abc import Callable

from harness.picture.judge import PictureJudge
from harness.picture.reference import ClipReference
from harness.picture.table import ClipTable, load_table
from harness.scenario.participant import Participant
from harness.swarm.publication import video_clip
from synthetic_media.spec import VideoSpec

_Known = tuple[ClipReference, ClipTable]
_known: dict[tuple[VideoSpec, int], _Known] = {}


def picture_judge(publisher: Participant, run_seed: int) -> Callable[[], PictureJudge]:
    """Makes a judge of what is received from this publisher; slow the first time, so not for the media loop."""

    def make() -> PictureJudge:
        clip = video_clip(publisher, run_seed)
        if clip is None:
            raise ValueError(f"{publisher.user_id} has no camera")
        key = (clip.spec, clip.seed)
        if key not in _known:  # two threads may both make it: the same thing
            _known[key] = ClipReference(clip), load_table(clip)
        return PictureJudge(*_known[key], publisher.stamp_id)

    return make
