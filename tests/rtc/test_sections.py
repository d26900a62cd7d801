"""Media sections: a round trip of whatever we may write, what a browser offers, what an answer takes of it."""

from __future__ import annotations

import pytest
from aiortc import RTCIceCandidate
from aiortc.rtcdtlstransport import RTCDtlsFingerprint
from aiortc.rtcicetransport import RTCIceParameters
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rtc.sections import (
    AUDIO_LEVEL,
    CODECS,
    H264,
    MAX_SDP_BYTES,
    MID,
    OPUS,
    SEND_TIME,
    VP8,
    Codec,
    SdpError,
    Section,
    answering_section,
    read_description,
    write_description,
)
from harness.rtc.transport_feedback import URI as TRANSPORT_SEQUENCE

FINGERPRINT = RTCDtlsFingerprint("sha-256", ":".join(f"{n:02X}" for n in range(32)))
CANDIDATE = RTCIceCandidate(1, "f", "10.0.0.7", 5001, 2130706431, "udp", "host")
ICE = RTCIceParameters(usernameFragment="frag", password="p" * 22)

BROWSER = """v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=extmap-allow-mixed
a=msid-semantic: WMS camera
m=audio 54321 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 192.168.1.7
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:2999745851 1 udp 2122260223 192.168.1.7 54321 typ host generation 0 network-id 1 network-cost 10
a=candidate:1853887674 1 udp 1518280447 203.0.113.9 46154 typ srflx raddr 192.168.1.7 rport 54321 generation 0
a=candidate:359606763 1 tcp 1518280447 192.168.1.7 9 typ host tcptype active generation 0
a=candidate:77 1 udp 2122260223 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54322 typ host
a=ice-ufrag:A3lH
a=ice-pwd:aG6tEYCnPt8hqZ0sLkQmVw2B
a=ice-options:trickle
a=fingerprint:sha-256 0F:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=msid:camera voice
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:2231627014 cname:4TOk42mSjXCkVIa6
a=ssrc:2231627014 msid:camera voice
m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 107 108 98 99
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:A3lH
a=ice-pwd:aG6tEYCnPt8hqZ0sLkQmVw2B
a=ice-options:trickle
a=fingerprint:sha-256 0F:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E
a=setup:actpass
a=mid:1
a=extmap:14 urn:ietf:params:rtp-hdrext:toffset
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:13 urn:3gpp:video-orientation
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=sendonly
a=msid:camera picture
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 transport-cc
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:103 H264/90000
a=rtcp-fb:103 nack
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:104 rtx/90000
a=fmtp:104 apt=103
a=rtpmap:107 H264/90000
a=fmtp:107 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
a=rtpmap:108 rtx/90000
a=fmtp:108 apt=107
a=rtpmap:98 VP9/90000
a=fmtp:98 profile-id=0
a=rtpmap:99 rtx/90000
a=fmtp:99 apt=98
a=ssrc-group:FID 3463951252 1461041037
a=ssrc:3463951252 cname:4TOk42mSjXCkVIa6
a=ssrc:3463951252 msid:camera picture
a=ssrc:1461041037 cname:4TOk42mSjXCkVIa6
a=ssrc:1461041037 msid:camera picture
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:A3lH
a=ice-pwd:aG6tEYCnPt8hqZ0sLkQmVw2B
a=fingerprint:sha-256 0F:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E
a=setup:actpass
a=mid:2
a=sctp-port:5000
a=max-message-size:262144
""".replace("\n", "\r\n")


def written(sections: list[Section], role: str = "auto") -> str:
    return write_description(
        sections, candidates=[CANDIDATE], ice=ICE, fingerprints=[FINGERPRINT], dtls_role=role, cname="me", version=3
    )


feedbacks = st.sets(st.sampled_from([("nack", None), ("nack", "pli"), ("ccm", "fir"), ("transport-cc", None)]))
uris = st.sampled_from([AUDIO_LEVEL, SEND_TIME, TRANSPORT_SEQUENCE, MID])


@st.composite
def sections_of(draw: st.DrawFn) -> list[Section]:
    sections = []
    for number in range(draw(st.integers(1, 5))):
        name = draw(st.sampled_from(sorted(CODECS)))
        codec = CODECS[name]
        direction = draw(st.sampled_from(["sendonly", "recvonly", "inactive"]))
        sending = direction == "sendonly"
        sections.append(
            Section(
                mid=f"m{number}",
                kind=codec.kind,
                direction=direction,
                codecs=[codec],
                extensions=draw(st.dictionaries(uris, st.integers(1, 14), max_size=4)),
                ssrc=draw(st.integers(1, 2**32 - 1)) if sending else None,
                msid=f"s{number} t" if sending else None,
                feedback=draw(feedbacks),
            )
        )
    return sections


@settings(deadline=None, max_examples=40)
@given(sections_of(), st.sampled_from(["auto", "client", "server"]))
def test_what_is_written_is_read_back(sections: list[Section], role: str) -> None:
    found, transport = read_description(written(sections, role))
    assert len(found) == len(sections)
    for section, ours in zip(found, sections, strict=True):
        assert (section.mid, section.kind, section.direction) == (ours.mid, ours.kind, ours.direction)
        assert (section.extensions, section.feedback, section.msid) == (ours.extensions, ours.feedback, ours.msid)
        assert section.remote_ssrcs == ([] if ours.ssrc is None else [ours.ssrc])
        (codec,) = section.codecs
        assert (codec.name, codec.payload_type, codec.clock_rate, codec.channels) == (
            ours.codec.name,
            ours.codec.payload_type,
            ours.codec.clock_rate,
            ours.codec.channels,
        )
        assert {k: str(v) for k, v in codec.parameters.items()} == {k: str(v) for k, v in ours.codec.parameters.items()}
    assert (transport.ice.usernameFragment, transport.ice.password) == ("frag", "p" * 22)
    assert [(c.ip, c.port) for c in transport.candidates] == [("10.0.0.7", 5001)]
    assert (transport.dtls.role, transport.dtls.fingerprints) == (role, [FINGERPRINT])


def test_a_browsers_offer_is_read() -> None:
    (audio, video), transport = read_description(BROWSER)
    assert (audio.mid, audio.kind, audio.direction, audio.msid) == ("0", "audio", "sendrecv", "camera voice")
    assert [(c.name, c.payload_type, c.channels) for c in audio.codecs] == [("opus", 111, 2)]
    assert audio.remote_ssrcs == [2231627014]
    assert (video.mid, video.kind, video.direction, video.msid) == ("1", "video", "sendonly", "camera picture")
    assert [(c.name, c.payload_type) for c in video.codecs] == [("vp8", 96), ("h264", 103)]
    assert video.remote_ssrcs == [3463951252], "the other of its FID group repairs"
    assert video.extensions[MID] == 4
    assert transport.ice.usernameFragment == "A3lH"
    assert transport.dtls.role == "auto"
    assert len(transport.candidates) == 4


def test_an_answer_to_a_browser_takes_only_what_we_know_and_in_the_browsers_numbers() -> None:
    (audio, video), _ = read_description(BROWSER)
    heard, seen = answering_section(audio), answering_section(video)
    assert (heard.direction, seen.direction) == ("recvonly", "recvonly")
    assert heard.extensions == {AUDIO_LEVEL: 1, TRANSPORT_SEQUENCE: 3, MID: 4}
    assert seen.extensions == {TRANSPORT_SEQUENCE: 3, MID: 4}
    assert seen.feedback == {
        ("goog-remb", None),
        ("transport-cc", None),
        ("ccm", "fir"),
        ("nack", None),
        ("nack", "pli"),
    }
    assert heard.feedback == {("transport-cc", None)}
    assert (heard.ssrc, seen.ssrc) == (None, None)
    again, _ = read_description(written([heard, seen], "client"))
    assert [(c.name, c.payload_type) for s in again for c in s.codecs] == [("opus", 111), ("vp8", 96), ("h264", 103)]


@pytest.mark.parametrize(
    ("direction", "codecs", "expected"),
    [
        ("sendonly", [VP8], "recvonly"),
        ("sendrecv", [VP8, H264], "recvonly"),
        ("recvonly", [VP8], "inactive"),
        ("inactive", [VP8], "inactive"),
        ("sendonly", [], "inactive"),
    ],
)
def test_an_answer_receives_what_is_sent_in_a_codec_we_have(direction: str, codecs: list[Codec], expected: str) -> None:
    offered = Section("7", "video", direction, codecs, {"urn:unknown": 5, MID: 9}, remote_ssrcs=[1], msid="a b")
    answer = answering_section(offered)
    assert (answer.direction, answer.mid, answer.extensions) == (expected, "7", {MID: 9})
    assert answer.codecs == (codecs or [VP8])
    assert answer.remote_ssrcs == ([1] if expected == "recvonly" else [])
    answer.remote_ssrcs.append(2)
    assert offered.remote_ssrcs == [1]


def test_extensions_and_feedback_of_an_answer_never_exceed_the_offer() -> None:
    offered = Section("1", "audio", "sendonly", [OPUS], {SEND_TIME: 2, AUDIO_LEVEL: 1}, feedback={("nack", None)})
    answer = answering_section(offered)
    assert (answer.extensions, answer.feedback) == ({SEND_TIME: 2}, set())


def without(start: str) -> str:
    return "\r\n".join(line for line in BROWSER.split("\r\n") if not line.startswith(start))


@pytest.mark.parametrize(
    ("sdp", "reason"),
    [
        (without("a=ice-ufrag"), "ICE credentials"),
        (without("a=ice-pwd"), "ICE credentials"),
        (without("a=fingerprint"), "DTLS fingerprint"),
        (BROWSER[: BROWSER.index("m=audio")], "without a media section"),
        (BROWSER + "a" * MAX_SDP_BYTES, "at most"),
        ("", "unreadable|without"),
        (BROWSER.replace("a=rtpmap:96 VP8/90000", "a=rtpmap:96 VP8"), "unreadable"),
        (BROWSER.replace("a=mid:1", "a=mid:1\r\na=extmap:x y"), "unreadable"),
    ],
)
def test_what_cannot_be_used_says_why(sdp: str, reason: str) -> None:
    with pytest.raises(SdpError, match=reason):
        read_description(sdp)


def test_a_format_without_a_name_is_passed_over() -> None:
    (_, video), _ = read_description(without("a=rtpmap:96 "))
    assert [codec.name for codec in video.codecs] == ["h264"]


LINES = BROWSER.split("\r\n")
places = st.integers(0, len(LINES) - 1)
kinds = st.sampled_from(["drop", "double", "alter", "cut"])
harms = st.tuples(kinds, places, st.integers(0, 200), st.text("09azAZ:/ =;-", max_size=6))


@settings(deadline=None, max_examples=120)
@given(st.lists(harms, min_size=1, max_size=6))
def test_a_mutilated_browsers_offer_is_answered_or_is_an_sdp_error(
    harm: list[tuple[str, int, int, str]],
) -> None:
    lines = list(LINES)
    for kind, place, at, text in harm:
        place %= len(lines)  # noqa: PLW2901
        if kind == "drop" and len(lines) > 1:
            del lines[place]
        elif kind == "double":
            lines.insert(at % len(lines), lines[place])
        elif kind == "alter":
            at %= len(lines[place]) + 1  # noqa: PLW2901
            lines[place] = lines[place][:at] + text + lines[place][at + len(text) :]
        else:
            lines[place] = lines[place][:at]
    try:
        sections, _ = read_description("\r\n".join(lines))
    except SdpError:
        return
    answers = [answering_section(section) for section in sections]
    if answers:
        read_description(written(answers, "client"))
