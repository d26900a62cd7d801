"""The table of a clip: what each of its frames looks like when nothing was lost, and how good that is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
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


def load_table(clip: VideoClip, cache_dir: Path | None = None) -> ClipTable:
    """The table of a clip: from the cache, or measured now (a second of CPU for ten of video) and put there.

    Its key is made of the clip's very bytes: the table of another clip, of an older library, or a damaged one is
    never used but measured anew. VMAF stands in it when the extra `vmaf` is installed.
    """
    folder, digest = cache_dir or default_folder(), _digest(clip)
    found = _cached(folder, digest, "quality", {}, lambda: _measured(clip))
    table = ClipTable(tuple(found["crc"]), tuple(found["psnr"]), tuple(found["ssim"]))
    version = vmaf_version()
    if version is None:
        return table
    scores = _cached(folder, digest, "vmaf", {"tool": version}, lambda: {"vmaf": clip_vmaf(clip)})
    return ClipTable(table.crc, table.psnr, table.ssim, tuple(scores["vmaf"]))


def table_is_cached(clip: VideoClip, cache_dir: Path | None = None) -> bool:
    """Whether `load_table` has nothing to measure."""
    folder, digest = cache_dir or default_folder(), _digest(clip)
    version = vmaf_version()
    wanted: list[tuple[str, dict[str, Any]]] = [("quality", {})]
    wanted += [("vmaf", {"tool": version})] if version else []
    keys = [(kind, _key(digest, kind, versions)) for kind, versions in wanted]
    return all(read_entry(folder / f"{kind}-{key[:32]}.table", key) is not None for kind, key in keys)


def _cached(
    folder: Path, digest: str, kind: str, versions: dict[str, Any], measure: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    key = _key(digest, kind, versions)
    path = folder / f"{kind}-{key[:32]}.table"
    stored = read_entry(path, key)
    if stored is not None:
        return stored[0]
    found = measure()
    write_entry(path, key, found, [])
    return found


def _key(digest: str, kind: str, versions: dict[str, Any]) -> str:
    return fingerprint({"clip": digest, "kind": kind, "version": TABLE_VERSION, **library_versions(), **versions})


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
