"""What a media section may carry: written and read back, and the part of it that both sides know."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiortc.rtcdtlstransport import RTCDtlsFingerprint
from aiortc.rtcicetransport import RTCIceParameters
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rtc import sections
from harness.rtc.sections import CODECS, H264, OPUS, VP8, SdpError, Section, answering_section, read_description

FINGERPRINT = RTCDtlsFingerprint(algorithm="sha-256", value=":".join(["AB"] * 32))
URIS = st.sampled_from([sections.AUDIO_LEVEL, sections.SEND_TIME, sections.MID, "urn:example:unknown"])
FEEDBACK = st.sampled_from(
    [("nack", None), ("nack", "pli"), ("ccm", "fir"), ("transport-cc", None), ("goog-lntf", None)]
)


def written(*described: Section, role: str = "auto") -> str:
    return sections.write_description(
        described,
        candidates=[],
        ice=RTCIceParameters(usernameFragment="user", password="p" * 22),
        fingerprints=[FINGERPRINT],
        dtls_role=role,
        cname="me",
        version=3,
    )


@st.composite
def described(draw: st.DrawFn, mid: str) -> Section:
    kind = draw(st.sampled_from(["audio", "video"]))
    codecs = [OPUS] if kind == "audio" else draw(st.sampled_from([[VP8], [H264], [VP8, H264], [H264, VP8]]))
    sends = draw(st.booleans())
    return Section(
        mid,
        kind,
        "sendonly" if sends else draw(st.sampled_from(["recvonly", "inactive"])),
        codecs,
        {uri: number for number, uri in enumerate(draw(st.lists(URIS, unique=True)), 1)},
        draw(st.integers(1, 2**32 - 1)) if sends else None,
        [],
        "stream track" if sends else None,
        set(draw(st.lists(FEEDBACK))),
    )


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(1, 6), st.sampled_from(["auto", "client", "server"]))
def test_a_description_reads_back_as_it_was_written(data: st.DataObject, count: int, role: str) -> None:
    ours = [data.draw(described(str(mid))) for mid in range(count)]
    theirs, transport = read_description(written(*ours, role=role))
    assert transport.dtls.role == role
    assert transport.ice.usernameFragment == "user"
    for mine, read in zip(ours, theirs, strict=True):
        assert (read.mid, read.kind, read.direction, read.msid) == (mine.mid, mine.kind, mine.direction, mine.msid)
        assert [(c.name, c.payload_type, c.clock_rate) for c in read.codecs] == [
            (c.name, c.payload_type, c.clock_rate) for c in mine.codecs
        ]
        assert read.extensions == mine.extensions
        assert read.feedback == mine.feedback
        assert read.remote_ssrcs == ([mine.ssrc] if mine.ssrc else [])


@settings(deadline=None, max_examples=60)
@given(described("0"))
def test_an_answer_holds_only_what_was_offered_and_what_we_know(offered: Section) -> None:
    [theirs], _ = read_description(written(offered))
    answer = answering_section(theirs)
    known = set(sections.EXTENSIONS["audio"]) | set(sections.EXTENSIONS["video"]) | {sections.SEND_TIME}
    assert answer.mid == offered.mid
    assert answer.direction == ("recvonly" if offered.direction == "sendonly" else "inactive")
    assert set(answer.extensions.items()) <= set(theirs.extensions.items())
    assert set(answer.extensions) <= known
    assert answer.feedback <= theirs.feedback
    assert ("goog-lntf", None) not in answer.feedback
    assert {codec.name for codec in answer.codecs} <= set(CODECS)
    assert answer.remote_ssrcs == ([offered.ssrc] if offered.direction == "sendonly" else [])


def without(sdp: str, word: str) -> str:
    return "".join(line for line in sdp.splitlines(keepends=True) if word not in line)


VIDEO = replace(sections.sending_section("0", "video", VP8, "s t"), ssrc=7)


@pytest.mark.parametrize(
    ("sdp", "says"),
    [
        ("v=0\r\n" * 300_000, "at most 1048576"),
        (written().split("m=")[0], "without a media section"),
        (without(written(VIDEO), "ice-"), "without ICE credentials"),
        (without(written(VIDEO), "ice-pwd"), "without ICE credentials"),
        (without(written(VIDEO), "fingerprint"), "without a DTLS fingerprint"),
        (written(VIDEO).replace("m=video 9", "m=video x"), "unreadable"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(sdp: str, says: str) -> None:
    with pytest.raises(SdpError, match=says):
        read_description(sdp)


def test_codecs_that_we_cannot_take_are_passed_over() -> None:
    sdp = written(replace(VIDEO, codecs=[VP8, H264]))
    [section], _ = read_description(sdp.replace("packetization-mode=1", "packetization-mode=0"))
    assert [codec.name for codec in section.codecs] == ["vp8"]
    [section], _ = read_description(sdp.replace("VP8/90000", "AV1/90000"))
    assert [codec.name for codec in section.codecs] == ["h264"]
    nothing = answering_section(read_description(written(VIDEO).replace("VP8/90000", "AV1/90000"))[0][0])
    assert (nothing.direction, nothing.remote_ssrcs) == ("inactive", [])


def test_a_codec_in_a_section_of_the_other_kind_is_passed_over() -> None:
    sound = sections.sending_section("0", "audio", OPUS, "s t")
    [section], _ = read_description(written(sound).replace("opus/48000/2", "VP8/90000"))
    assert section.codecs == []
    assert answering_section(section).direction == "inactive"
