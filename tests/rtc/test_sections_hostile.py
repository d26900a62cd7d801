"""Session descriptions: what we write we read; what is hostile is an SdpError and nothing else."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rtc.media_loop import MediaLoop
from harness.rtc.peer import Peer
from harness.rtc.sections import H264, MID, OPUS, SEND_TIME, VP8, SdpError, answering_section, read_description
from harness.rtc.transport_feedback import URI as TRANSPORT_SEQUENCE


def offer() -> str:
    async def make() -> str:
        media = MediaLoop(rest=0)
        peer = Peer(media, offers=True, addresses=["127.0.0.1"])
        for codec, kind in ((VP8, "video"), (H264, "video"), (OPUS, "audio")):
            peer.add_section(kind, codec, f"stream {codec.name}")
        try:
            return await peer.create_offer()
        finally:
            await peer.close()
            await media.close()

    return asyncio.run(make())


OFFER = offer()
LINES = OFFER.splitlines()


def test_an_offer_is_read_back_as_it_was_meant() -> None:
    sections, transport = read_description(OFFER)
    assert [(s.mid, s.kind, s.codec.name, s.direction) for s in sections] == [
        ("0", "video", "vp8", "sendonly"),
        ("1", "video", "h264", "sendonly"),
        ("2", "audio", "opus", "sendonly"),
    ]
    assert [s.msid for s in sections] == ["stream vp8", "stream h264", "stream opus"]
    assert all(len(s.remote_ssrcs) == 1 for s in sections)
    assert transport.dtls.role == "auto"
    assert [c.ip for c in transport.candidates] == ["127.0.0.1"]


def test_an_answer_takes_what_both_sides_know() -> None:
    (video, *_), _ = read_description(OFFER)
    answer = answering_section(video)
    assert (answer.direction, answer.codec.name) == ("recvonly", "vp8")
    assert set(answer.extensions) == {TRANSPORT_SEQUENCE, MID}
    assert ("transport-cc", None) in answer.feedback
    del video.extensions[TRANSPORT_SEQUENCE]
    video.extensions[SEND_TIME] = 9
    video.feedback.discard(("transport-cc", None))
    older = answering_section(video)
    assert older.extensions[SEND_TIME] == 9, "REMB goes by the send time where there is no transport sequence"
    assert ("transport-cc", None) not in older.feedback


def test_repair_ssrcs_are_not_taken_for_media() -> None:
    ssrc = read_description(OFFER)[0][0].remote_ssrcs[0]
    with_rtx = OFFER.replace(
        f"a=ssrc:{ssrc} cname", f"a=ssrc-group:FID {ssrc} 77\r\na=ssrc:77 cname:x\r\na=ssrc:{ssrc} cname", 1
    )
    assert read_description(with_rtx)[0][0].remote_ssrcs == [ssrc]


@settings(deadline=None)
@given(st.data())
def test_a_mutilated_description_is_read_or_is_an_sdp_error(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["drop", "double", "cut", "noise", "swap"]))
        if kind == "drop" and len(lines) > 1:
            del lines[at]
        elif kind == "double":
            lines.insert(at, lines[at])
        elif kind == "cut":
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
        elif kind == "noise":
            lines[at] += data.draw(st.text(max_size=20))
        else:
            lines[at], lines[-1] = lines[-1], lines[at]
    try:
        for section in read_description("\r\n".join(lines))[0]:
            answering_section(section)
    except SdpError as error:
        assert "\n" not in str(error)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_arbitrary_text_is_an_sdp_error(text: str) -> None:
    try:
        read_description(text)
    except SdpError:
        return
    raise AssertionError("text without a transport cannot be a description")
