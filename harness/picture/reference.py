"""What a frame of a clip is compared with: the camera's picture, and the sender's own decode of the encoded frame.

Neither is kept on disk: the camera is drawn again by frame number, the clip decoded again up to the frame. What was
made lately is remembered, as damage lasts for several frames and the same frame reaches many subscribers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from gevent.monkey import get_original

from harness.picture.clip_decoder import ClipDecoder
from harness.picture.planes import Luma
from synthetic_media.camera import Camera, Picture
from synthetic_media.clip import VideoClip
from synthetic_media.strip import draw_strip

T = TypeVar("T")
REMEMBERED = 8  # pictures of each kind per clip: 5 MB a clip of 640x360, and only of clips that came damaged


@lru_cache(maxsize=4)
def _camera(seed: int, width: int, height: int, fps: int, frames: int) -> Camera:
    return Camera(seed, width, height, fps, frames)


def clip_camera(clip: VideoClip) -> Camera:
    """The camera that a clip was made with. Four cameras are kept, 4 MB each at 640x360."""
    spec = clip.spec
    return _camera(clip.seed, spec.width, spec.height, spec.fps, spec.frames)


class ClipReference:
    """The references of one clip, for several threads."""

    def __init__(self, clip: VideoClip) -> None:
        self.clip = clip
        self._lock = get_original("_thread", "allocate_lock")()  # native, whatever Locust has patched
        self._decoder: ClipDecoder | None = None
        self._sources: OrderedDict[int, Picture] = OrderedDict()
        self._decoded: OrderedDict[int, Luma] = OrderedDict()

    def source(self, position: int) -> Picture:
        """The camera's picture of frame `position`, strip drawn in. Not to be written to."""
        return self._remembered(self._sources, position, self._draw)

    def decoded(self, position: int) -> Luma:
        """The luma plane of the sender's own decode of frame `position`. Not to be written to."""
        return self._remembered(self._decoded, position, self._decode)

    def _remembered(self, known: OrderedDict[int, T], position: int, make: Callable[[int], T]) -> T:
        with self._lock:
            found = known.pop(position, None)
            if found is None:
                found = make(position)
            known[position] = found
            if len(known) > REMEMBERED:
                known.popitem(last=False)
            return found

    def _draw(self, position: int) -> Picture:
        picture = clip_camera(self.clip).picture(position)
        draw_strip(picture[0], self.clip.seed & 0xFFFFFFFF, 0, position)
        return picture

    def _decode(self, position: int) -> Luma:
        if self._decoder is None:
            self._decoder = ClipDecoder(self.clip)
        return self._decoder.luma(position)
