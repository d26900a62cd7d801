"""Pictures as the decoder leaves them, taken as arrays."""

from __future__ import annotations

from zlib import crc32

import av
import numpy as np
from numpy.typing import NDArray

from synthetic_media.camera import Picture

Luma = NDArray[np.uint8]  # height x width


def luma_of(frame: av.VideoFrame) -> Luma:
    """The luma plane of a planar 8-bit picture, without the padding of its lines; a copy of its own."""
    return luma_within(frame).copy()


def luma_within(frame: av.VideoFrame) -> Luma:
    """The same without a copy: good for as long as the frame is."""
    return _plane(frame, 0, frame.height, frame.width)


def picture_of(frame: av.VideoFrame) -> Picture:
    """All three planes of a yuv420p picture, as copies."""
    chroma = (frame.height + 1) // 2, (frame.width + 1) // 2
    return luma_of(frame), _plane(frame, 1, *chroma).copy(), _plane(frame, 2, *chroma).copy()


def sized(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """The frame as planar 4:2:0 of this size: itself when it is already."""
    if (frame.width, frame.height) == (width, height) and frame.format.name in ("yuv420p", "yuvj420p"):
        return frame
    return frame.reformat(width=width, height=height, format="yuv420p")


def frame_of(picture: Picture) -> av.VideoFrame:
    """A yuv420p frame of y, u and v planes."""
    height, width = picture[0].shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, pixels in zip(frame.planes, picture, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        rows[: pixels.shape[0], : pixels.shape[1]] = pixels
    return frame


def checksum(luma: Luma) -> int:
    """CRC-32 of a luma plane, row by row."""
    return crc32(np.ascontiguousarray(luma).data)


def _plane(frame: av.VideoFrame, index: int, height: int, width: int) -> Luma:
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * height].reshape(height, plane.line_size)
    return rows[:, :width]
