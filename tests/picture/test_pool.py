"""The pool decodes every stream in order, says what it left out, and never gives up on the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness.measure.recorder import Recorder, Tags
from harness.picture.decoded_stream import DecodedStream
from harness.picture.judge import PictureJudge
from harness.picture.pool import DecoderPool
from harness.picture.reference import ClipReference
from harness.picture.table import ClipTable
from synthetic_media import VideoClip

STAMP_ID = 7
SECONDS = 20.0


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(2)
    yield pool
    pool.close()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def asked() -> Any:
    """Stands for the inbound stream: only its wish for a key frame matters."""
    return SimpleNamespace(wants_key_frame=False)


@pytest.fixture
def new_stream(pool: DecoderPool, clip: VideoClip, table: ClipTable) -> Callable[[str], DecodedStream]:
    def make(subscriber: str, fps: int = 1000) -> DecodedStream:
        tags = Tags("viewer", "room", clip.spec.codec)
        judge = PictureJudge(ClipReference(clip), table, STAMP_ID)
        return pool.stream(tags, subscriber, "stream", fps, lambda: judge, clip.spec.codec)

    return make


def give(stream: DecodedStream, clip: VideoClip, payloads: Callable, asked: Any, positions: Any) -> None:
    for number, position in enumerate(positions):
        frame, stamp = payloads(number, position)
        stream.take(frame, stamp, clip.frames[position].key, number * 40_000, asked)


def counters(recorder: Recorder) -> dict[str, float]:
    return {name: value for name, _, _, _, value in recorder.flush()["counters"]}


def test_every_frame_of_many_streams_is_intact(
    pool: DecoderPool, new_stream: Callable, recorder: Recorder, clip: VideoClip, payloads: Callable, asked: Any
) -> None:
    streams = [new_stream(f"user {n}") for n in range(6)]
    for stream in streams:
        give(stream, clip, payloads, asked, [*range(50), *range(50)])
    pool.drain(SECONDS)
    rows, _ = pool.collect(recorder)
    assert [row["subscriber"] for row in rows] == [f"user {n}" for n in range(6)]
    assert all(row["framesDecoded"] == row["picturesIntact"] == 100 for row in rows)
    assert all(row["psnr_db"][2] == 100 and "network_psnr_db" not in row for row in rows)
    assert counters(recorder) == {"framesDecoded": 600, "picturesIntact": 600}
    assert pool.collect(recorder) == ([], []), "told once"
    assert pool.cpu_seconds > 0


def test_a_frame_missing_from_the_chain_damages_the_rest_up_to_the_key_frame(
    pool: DecoderPool, new_stream: Callable, recorder: Recorder, clip: VideoClip, payloads: Callable, asked: Any
) -> None:
    """As behind a forwarder that drops a frame and closes up the numbers: every picture is scored all the same."""
    give(new_stream("a"), clip, payloads, asked, [n for n in range(50) if n != 10])
    pool.drain(SECONDS)
    (row,), pictures = pool.collect(recorder)
    assert row["framesDecoded"] == row["psnr_db"][2] == row["ssim"][2] == 49
    assert row["picturesIntact"] == 49 - 14
    assert row["network_psnr_db"][2] == 14
    assert row["network_psnr_db"][1] < 40
    assert any(not picture.finding.intact for picture in pictures)
    assert all(picture.received.startswith(b"\xff\xd8") for picture in pictures), "kept as JPEG"


def test_what_the_decoder_refuses_is_counted_and_a_key_frame_asked_for(
    pool: DecoderPool, new_stream: Callable, recorder: Recorder, clip: VideoClip, payloads: Callable, asked: Any
) -> None:
    stream = new_stream("a")
    give(stream, clip, payloads, asked, range(5))
    stream.take([b""], "absent", False, 0, asked)
    give(stream, clip, payloads, asked, range(6, 50))
    pool.drain(SECONDS)
    (row,), _ = pool.collect(recorder)
    assert asked.wants_key_frame
    assert row["framesUndecodable"] == 1 + 19, "it, and all up to the next key frame, as a browser does"
    assert row["framesDecoded"] == row["picturesIntact"] == 5 + 25


def test_a_pool_that_is_behind_leaves_frames_out_and_says_so(
    pool: DecoderPool, clip: VideoClip, table: ClipTable, recorder: Recorder, payloads: Callable, asked: Any
) -> None:
    release = threading.Event()

    def slow() -> PictureJudge:
        release.wait(SECONDS)
        return PictureJudge(ClipReference(clip), table, STAMP_ID)

    stream = pool.stream(Tags(), "a", "b", 5, slow, clip.spec.codec)
    give(stream, clip, payloads, asked, range(50))  # room for 2 s of 5 fps: ten frames
    release.set()
    pool.drain(SECONDS)
    give(stream, clip, payloads, asked, [11, 0])  # there is room again, but only the key frame is of use
    pool.drain(SECONDS)
    (row,), _ = pool.collect(recorder)
    assert row["framesUndecoded"] == pool.frames_undecoded() == 41
    assert row["framesDecoded"] == row["picturesIntact"] == 11, "what was decoded was not spoilt by what was not"
    assert not asked.wants_key_frame


def test_a_fault_of_ours_counts_as_undecoded_and_spares_the_others(
    pool: DecoderPool,
    new_stream: Callable,
    clip: VideoClip,
    recorder: Recorder,
    payloads: Callable,
    asked: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails() -> PictureJudge:
        raise ValueError("no such clip")

    broken = pool.stream(Tags(), "a", "b", 1000, fails, clip.spec.codec)
    give(broken, clip, payloads, asked, range(5))
    sound = new_stream("c")
    give(sound, clip, payloads, asked, range(5))
    pool.drain(SECONDS)
    rows = {row["subscriber"]: row for row in pool.collect(recorder)[0]}
    assert (rows["a"]["framesUndecoded"], rows["a"]["framesDecoded"]) == (5, 0)
    assert rows["c"]["picturesIntact"] == 5
    assert caplog.text.count("cannot be judged") == 1, "said once"


def test_a_stream_that_ended_is_let_go_when_its_last_frame_is_told(
    pool: DecoderPool, new_stream: Callable, clip: VideoClip, recorder: Recorder, payloads: Callable, asked: Any
) -> None:
    stream = new_stream("a")
    give(stream, clip, payloads, asked, range(50))
    stream.ended = True
    found = 0
    while pool._streams:
        pool.drain(0.01)
        found += sum(row["framesDecoded"] for row in pool.collect(recorder)[0])
    assert found == 50
