"""PSNR and SSIM are ffmpeg's own, and known degradations come out in the right order."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from harness.picture.clip_decoder import ClipDecoder
from harness.picture.judge import Finding, PictureJudge
from harness.picture.planes import Luma, frame_of, luma_of
from harness.picture.reference import ClipReference, clip_camera
from harness.picture.scores import Scorer, psnr
from harness.picture.table import ClipTable, load_table
from synthetic_media.camera import Camera
from synthetic_media.clip import VideoClip, load_video
from synthetic_media.spec import VideoSpec
from synthetic_media.strip import draw_strip, strip_rows

Truth = Callable[[str, object, object, object], None]
SIZE, FRAMES = (640, 360), 25
STAMP_ID = 9


def own_psnr(shown: Luma, reference: Luma) -> float:
    error = float(np.mean((shown.astype(float) - reference.astype(float)) ** 2))
    return float(10 * np.log10(255**2 / error))


def own_ssim(shown: Luma, reference: Luma) -> float:
    """x264's form, from its definition: 8x8 windows every 4 pixels, sums of whole numbers."""
    height, width = (side & ~3 for side in shown.shape)
    a, b = (plane[:height, :width].astype(np.int64) for plane in (shown, reference))

    def windows(values: np.ndarray) -> np.ndarray:
        blocks = values.reshape(height // 4, 4, width // 4, 4).sum(axis=(1, 3))
        return blocks[:-1, :-1] + blocks[1:, :-1] + blocks[:-1, 1:] + blocks[1:, 1:]

    s1, s2, squares, products = windows(a), windows(b), windows(a * a + b * b), windows(a * b)
    c1, c2 = int(0.01**2 * 255**2 * 64 + 0.5), int(0.03**2 * 255**2 * 64 * 63 + 0.5)
    variances, covariance = 64 * squares - s1 * s1 - s2 * s2, 64 * products - s1 * s2
    similar = (2 * s1 * s2 + c1) * (2 * covariance + c2) / ((s1 * s1 + s2 * s2 + c1) * (variances + c2))
    return float(similar.mean())


def programs() -> dict[str, str]:
    """Every ffmpeg program to be had."""
    found = {"ffmpeg": shutil.which("ffmpeg") or ""}
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        found["imageio-ffmpeg"] = get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        pass
    return {name: path for name, path in found.items() if path}


def scores_of(program: str, folder: Path, pairs: list[tuple[Luma, Luma]]) -> list[tuple[float, float]]:
    """(PSNR, SSIM) of luma per frame, by a program that reads files and writes text."""
    height, width = pairs[0][0].shape
    for name, index in (("shown", 0), ("reference", 1)):
        (folder / name).write_bytes(b"".join(pair[index].tobytes() for pair in pairs))
    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}", "-r", "25"]
    graph = "[0]split[a][b];[1]split[c][d];[a][c]psnr=f=psnr.txt[x];[b][d]ssim=f=ssim.txt[y]"
    maps = ["-map", "[x]", "-f", "null", "-", "-map", "[y]", "-f", "null", "-"]
    command = [program, "-nostdin", "-v", "error", *raw, "-i", "shown", *raw, "-i", "reference"]
    subprocess.run([*command, "-lavfi", graph, *maps], cwd=folder, check=True, timeout=60)
    psnr_of = re.findall(r"psnr_y:(\S+)", (folder / "psnr.txt").read_text())
    ssim_of = re.findall(r"Y:(\S+)", (folder / "ssim.txt").read_text())
    return [(float(p), float(s)) for p, s in zip(psnr_of, ssim_of, strict=True)]


@pytest.fixture(scope="module", params=["vp8", "h264"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VideoClip:
    folder = tmp_path_factory.mktemp("clips")
    return load_video(VideoSpec(*SIZE, 25, 250_000, request.param, seconds=FRAMES / 25), 5, folder)


@pytest.fixture
def pairs(clip: VideoClip) -> list[tuple[Luma, Luma]]:
    """(decoded, camera's), without the strip."""
    top, camera = strip_rows(SIZE[0]), clip_camera(clip)
    return [(shown[top:], camera.picture(n)[0][top:]) for n, shown in enumerate(ClipDecoder(clip).all())]


def test_scores_are_those_of_the_definition_and_of_every_ffmpeg(
    clip: VideoClip, pairs: list[tuple[Luma, Luma]], tmp_path: Path, truth: Truth
) -> None:
    scorer = Scorer(*pairs[0][0].shape)
    found = [scorer(*pair) for pair in pairs]
    judges = {"numpy, from the definition": [(own_psnr(*pair), own_ssim(*pair)) for pair in pairs]}
    judges |= {name: scores_of(program, tmp_path, pairs) for name, program in programs().items()}
    for name, said in judges.items():
        off_psnr = max(abs(ours.psnr - theirs[0]) for ours, theirs in zip(found, said, strict=True))
        off_ssim = max(abs(ours.ssim - theirs[1]) for ours, theirs in zip(found, said, strict=True))
        mean = np.mean(said, axis=0)
        ours = np.mean(found, axis=0)
        codec = clip.spec.codec
        truth(f"PSNR of luma, {codec}, {len(pairs)} frames, dB", f"{mean[0]:.4f} ({name})", f"{ours[0]:.4f}", off_psnr)
        truth(f"SSIM of luma, {codec}, {len(pairs)} frames", f"{mean[1]:.5f} ({name})", f"{ours[1]:.5f}", off_ssim)
        assert off_psnr <= 0.01
        assert off_ssim <= 0.001
    assert max(abs(psnr(*pair) - own_psnr(*pair)) for pair in pairs) < 1e-9


def test_the_table_holds_what_the_scores_are(clip: VideoClip, pairs: list[tuple[Luma, Luma]], tmp_path: Path) -> None:
    table = load_table(clip, tmp_path)
    assert np.allclose(table.psnr, [own_psnr(*pair) for pair in pairs], atol=1e-4)
    assert np.allclose(table.ssim, [own_ssim(*pair) for pair in pairs], atol=1e-5)


# -- order -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Luma], Luma]], Finding]:
    """look(change): what the judge says of frame 12, the sender's own decode or else the camera's picture, changed."""
    folder = tmp_path_factory.mktemp("clips")
    clip = load_video(VideoSpec(*SIZE, 25, 800_000, "h264", seconds=1.0), 5, folder)
    table: ClipTable = load_table(clip, folder)
    reference = ClipReference(clip)

    def judged(change: Callable[[Luma], Luma], *, coded: bool = True) -> Finding:
        luma = change((reference.decoded(12) if coded else reference.source(12)[0]).copy())
        grey = np.full((SIZE[1] // 2, SIZE[0] // 2), 128, np.uint8)
        return PictureJudge(reference, table, STAMP_ID).look(
            frame_of((luma, grey, grey)), (STAMP_ID, STAMP_ID, 12, 12, 0), 0
        )

    return judged


def encoded_again(quantiser: int) -> Callable[[Luma], Luma]:
    def change(luma: Luma) -> Luma:
        grey = np.full((SIZE[1] // 2, SIZE[0] // 2), 128, np.uint8)
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = *SIZE, "yuv420p"  # type: ignore[attr-defined]
        encoder.options = {"qp": str(quantiser), "preset": "ultrafast", "tune": "zerolatency"}
        frame = frame_of((luma, grey, grey))
        packets = [*encoder.encode(frame), *encoder.encode(None)]  # type: ignore[attr-defined]
        decoder = av.CodecContext.create("h264", "r")
        shown = [f for packet in (*packets, None) for f in decoder.decode(packet)]  # type: ignore[attr-defined]
        return luma_of(shown[0])

    return change


def blurred(times: int) -> Callable[[Luma], Luma]:
    def change(luma: Luma) -> Luma:
        found = luma.astype(float)
        for _ in range(times):
            found = sum(np.roll(found, step, axis) for axis in (0, 1) for step in (-1, 1)) / 8 + found / 2
        return found.round().astype(np.uint8)

    return change


def scaled(width: int) -> Callable[[Luma], Luma]:
    def change(luma: Luma) -> Luma:
        frame = av.VideoFrame.from_ndarray(luma, format="gray")
        small = frame.reformat(width=width, height=width * SIZE[1] // SIZE[0])
        return luma_of(small.reformat(width=SIZE[0], height=SIZE[1]))

    return change


def another_publishers(luma: Luma) -> Luma:
    picture = Camera(6, *SIZE, 25, 25).picture(12)[0]
    draw_strip(picture, 6, 0, 12)
    return picture


@pytest.mark.parametrize(
    ("what", "steps"),
    [
        ("quantiser", [(f"qp {q}", encoded_again(q)) for q in (20, 28, 36, 44)]),
        ("blur", [(f"{n} times", blurred(n)) for n in (1, 2, 4, 8)]),
        ("scale", [(f"to {w}", scaled(w)) for w in (480, 320, 160)]),
    ],
)
def test_the_stronger_the_damage_the_lower_every_score(what: str, steps: list, look: Callable, truth: Truth) -> None:
    other = look(another_publishers)
    # Of the camera's picture: what was coded once has lost its noise, and the next coder may even mend it a little.
    found = [look(change, coded=False) for _, change in steps]
    names = [name for name, _ in steps]
    for better, worse in zip(found, [*found[1:], other], strict=True):
        assert better.psnr > worse.psnr
        assert better.ssim > worse.ssim
    on_the_way = [look(change) for _, change in steps]
    for better, worse in zip(on_the_way, [*on_the_way[1:], other], strict=True):
        assert better.network_psnr > worse.network_psnr
    assert not any(f.intact for f in (*found, *on_the_way, other))
    assert other.wrong and not any(f.wrong for f in found), "only the other publisher's picture is the wrong one"
    shown = " > ".join(f"{name} {f.psnr:.1f}/{f.ssim:.3f}" for name, f in zip(names, found, strict=True))
    truth(f"order of {what}, PSNR/SSIM", ", ".join(names), f"{shown} > other {other.psnr:.1f}/{other.ssim:.3f}", "none")


def test_what_the_network_broke_and_what_the_encoder_cost_are_two_figures(look: Callable, truth: Truth) -> None:
    """A small error on top of coding: the source's score hardly moves, the network's says how large it was."""

    def one_level(luma: Luma) -> Luma:
        luma[40:] ^= 1
        return luma

    intact, found = look(lambda luma: luma), look(one_level)
    expected = own_psnr(np.ones((10, 10), np.uint8), np.zeros((10, 10), np.uint8))  # an error of 1 everywhere
    rows = SIZE[1] - strip_rows(SIZE[0])
    expected += 10 * np.log10(rows / (SIZE[1] - 40))
    truth(
        "damage by the network alone, dB",
        f"{expected:.4f}",
        f"{found.network_psnr:.4f}",
        f"{found.network_psnr - expected:.1e}",
    )
    assert found.network_psnr == pytest.approx(expected, abs=1e-6)
    assert intact.psnr - 1 < found.psnr < intact.psnr < found.network_psnr
