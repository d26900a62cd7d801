"""The table of a clip: what each of its frames looks like when nothing was lost, and how good that is."""

from __future__ import annotations

import hashlib
import logging
import subprocess
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.picture.clip_decoder import ClipDecoder
from harness.picture.planes import checksum
from harness.picture.reference import clip_camera
from harness.picture.scores import Scorer
from harness.picture.vmaf import clip_vmaf, vmaf_version
from synthetic_media.cache import default_folder, fingerprint, read_entry, write_entry
from synthetic_media.clip import VideoClip
from synthetic_media.encoder import library_versions
from synthetic_media.strip import strip_rows

log = logging.getLogger(__name__)
TABLE_VERSION = 1  # raise it whenever a figure changes


@dataclass(frozen=True)
class ClipTable:
    """One entry per frame of the clip, of the sender's own decode: CRC-32 of the whole luma plane, and against the
    camera's picture, the strip's rows left out, PSNR of luma in dB, SSIM of luma (x264 form), VMAF (None: not had)."""

    crc: tuple[int, ...]
    psnr: tuple[float, ...]
    ssim: tuple[float, ...]
    vmaf: tuple[float, ...] | None = None

    @cached_property
    def position_of(self) -> dict[int, int]:
        """Which frame a checksum belongs to; the first where two frames look the same."""
        return {crc: position for position, crc in reversed(tuple(enumerate(self.crc)))}


def load_table(clip: VideoClip, cache_dir: Path | None = None, *, measure_vmaf: bool = False) -> ClipTable:
    """The table of a clip: from the cache, or measured now (a second of CPU for ten of video) and put there.

    Its key is made of the clip's very bytes: the table of another clip, of an older library, or a damaged one is
    never used but measured anew. VMAF stands in it when the extra `vmaf` is installed and it was measured before, or
    is to be now: it takes a program and some seconds.
    """
    folder, digest = cache_dir or default_folder(), _digest(clip)
    entry = _Entry(folder, digest, "quality")
    found = entry.read() or entry.write(_measured(clip))
    table = ClipTable(tuple(found["crc"]), tuple(found["psnr"]), tuple(found["ssim"]))
    version = vmaf_version()
    if version is None:
        return table
    entry = _Entry(folder, digest, "vmaf", version)
    scores = entry.read()
    if scores is None and measure_vmaf:
        scores = _vmaf_of(clip, entry)
    return replace(table, vmaf=tuple(scores["vmaf"])) if scores is not None else table


def _vmaf_of(clip: VideoClip, entry: _Entry) -> dict[str, Any] | None:
    try:
        return entry.write({"vmaf": clip_vmaf(clip)})
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        log.warning("no VMAF: %s", error)  # an extra: its absence shows in the results
        return None


class _Entry:
    """A part of a table in the cache. tool: what measured it, beside the libraries."""

    def __init__(self, folder: Path, digest: str, kind: str, tool: str = "") -> None:
        identity = {"clip": digest, "kind": kind, "version": TABLE_VERSION, "tool": tool, **library_versions()}
        self._key = fingerprint(identity)
        self._path = folder / f"{kind}-{self._key[:32]}.table"

    def read(self) -> dict[str, Any] | None:
        stored = read_entry(self._path, self._key)
        return stored[0] if stored is not None else None

    def write(self, found: dict[str, Any]) -> dict[str, Any]:
        write_entry(self._path, self._key, found, [])
        return found


def _digest(clip: VideoClip) -> str:
    """SHA-256 of what is decoded and of what it is compared with."""
    spec = clip.spec
    content = hashlib.sha256(repr((spec, clip.seed)).encode())
    for frame in clip.frames:
        content.update(len(frame.fragments).to_bytes(4))
        for fragment in frame.fragments:
            content.update(fragment)
    return content.hexdigest()


def _measured(clip: VideoClip) -> dict[str, Any]:
    camera, top = clip_camera(clip), strip_rows(clip.spec.width)
    scorer = Scorer(clip.spec.height - top, clip.spec.width)
    crc, psnr, ssim = [], [], []
    for position, shown in enumerate(ClipDecoder(clip).all()):
        scores = scorer(shown[top:], camera.picture(position)[0][top:])
        crc.append(checksum(shown))
        psnr.append(scores.psnr)
        ssim.append(scores.ssim)
    return {"crc": crc, "psnr": psnr, "ssim": ssim}
