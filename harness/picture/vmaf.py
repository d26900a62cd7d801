"""VMAF of a clip's frames, by the ffmpeg program of the `imageio-ffmpeg` wheel: the extra `vmaf`.

libvmaf is in no library that PyAV carries, so a program is run, once per clip, while a run is prepared. VMAF was not
trained on drawn scenes: it serves to compare runs, not as a score to be quoted.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from harness.picture.clip_decoder import ClipDecoder
from harness.picture.planes import Luma
from harness.picture.reference import clip_camera
from synthetic_media.clip import VideoClip
from synthetic_media.strip import strip_rows

_LIMIT_SECONDS = 300.0


@cache
def vmaf_version() -> str | None:
    """Which tool and model score; None without the extra, and so no VMAF."""
    try:
        return f"imageio-ffmpeg {version('imageio-ffmpeg')}, vmaf_v0.6.1"
    except PackageNotFoundError:
        return None


def _program() -> str:
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        program = str(get_ffmpeg_exe())
        filters = _run([program, "-hide_banner", "-filters"], 20).stdout
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError):
        filters = ""
    if " libvmaf " not in filters:
        raise RuntimeError("VMAF needs ffmpeg with libvmaf; to be had with: pip install 'call-harness[vmaf]'")
    return program


def clip_vmaf(clip: VideoClip) -> list[float]:
    """VMAF of each frame's own decode against the camera's picture, the strip's rows left out.

    Raises RuntimeError when the program fails or is not there.
    """
    program, spec = _program(), clip.spec
    top = strip_rows(spec.width) + 1 & ~1
    height = spec.height - top
    chroma = np.full((height // 2, spec.width), 128, np.uint8).tobytes()  # only luma is looked at
    camera = clip_camera(clip)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "shown", (shown[top:] for shown in ClipDecoder(clip).all()), chroma)
        _write(folder / "reference", (camera.picture(n)[0][top:] for n in range(spec.frames)), chroma)
        raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{spec.width}x{height}", "-r", str(spec.fps)]
        graph = "libvmaf=log_fmt=json:log_path=scores.json:n_threads=1"
        command = [program, "-nostdin", "-v", "error", *raw, "-i", "shown", *raw, "-i", "reference"]
        command += ["-lavfi", graph, "-f", "null", "-"]
        done = _run(command, _LIMIT_SECONDS, folder)
        if done.returncode:
            raise RuntimeError(f"ffmpeg could not compute VMAF: {done.stderr.strip()[-300:]}")
        frames = json.loads((folder / "scores.json").read_text(encoding="utf-8"))["frames"]
    scores = [float(frame["metrics"]["vmaf"]) for frame in frames]
    if len(scores) != spec.frames:
        raise RuntimeError(f"ffmpeg scored {len(scores)} frames of a clip of {spec.frames}")
    return scores


def _run(command: list[str], seconds: float, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)


def _write(path: Path, planes: Iterable[Luma], chroma: bytes) -> None:
    with path.open("wb") as file:
        for luma in planes:
            file.write(luma.tobytes())
            file.write(chroma)
