"""Every metric a run reports: its name, unit, kind and meaning. Thresholds and reports know no others.

Names that webrtc-stats defines are taken as they stand, with its units; our own carry their unit in the name.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["trend", "rate", "counter", "value"]
Better = Literal["lower", "higher"]

W3C = "webrtc-stats"
OWN = "call-harness"


@dataclass(frozen=True)
class Metric:
    """One metric.

    kind: `trend` is a distribution of samples, `rate` a share from 0 to 1, `counter` a total that only grows,
    `value` a plain number taken at the end. source: whose definition holds, W3C webrtc-stats or this project.
    """

    name: str
    unit: str
    kind: Kind
    description: str
    better: Better
    source: str = OWN


def _trend(name: str, unit: str, description: str, better: Better = "lower") -> Metric:
    return Metric(name, unit, "trend", description, better)


def _rate(name: str, description: str, better: Better = "lower") -> Metric:
    return Metric(name, "share", "rate", description, better)


def _value(name: str, unit: str, description: str) -> Metric:
    return Metric(name, unit, "value", description, "lower")


def _counter(name: str, unit: str, description: str, better: Better = "lower", source: str = OWN) -> Metric:
    return Metric(name, unit, "counter", description, better, source)


_TIMES = (
    _trend("join_time_ms", "ms", "From the scheduled login to the room reported connected."),
    _trend("publish_time_ms", "ms", "From the publish call to the stream reported as publishing."),
    _trend("logout_time_ms", "ms", "From the logout call to the room reported disconnected."),
    _trend("first_frame_ms", "ms", "From the play call to the arrival of the first complete key frame of the stream."),
    _trend("first_frame_signalling_ms", "ms", "Part of first_frame_ms: from the play call to the media description."),
    _trend("first_frame_ice_ms", "ms", "Part of first_frame_ms: from the media description to a working network path."),
    _trend("first_frame_dtls_ms", "ms", "Part of first_frame_ms: from the network path to the keys agreed."),
    _trend("first_frame_first_packet_ms", "ms", "Part of first_frame_ms: from the keys to the stream's first packet."),
    _trend("first_frame_key_frame_ms", "ms", "Part of first_frame_ms: from the first packet to a complete key frame."),
)

_MEDIA = (
    _trend("frame_latency_ms", "ms", "From capture at the sender to the arrival of the packet that completes a frame."),
    _trend("audio_latency_ms", "ms", "From capture at the sender to the arrival of the sound packet."),
    _trend("jitter_ms", "ms", "Variation of the packets' transit time by RFC 3550, sampled once a second per stream."),
    _trend("freeze_duration_ms", "ms", "How long each freeze lasted, by the W3C freeze rule."),
    _trend("frame_rate", "fps", "Complete frames per second, sampled once a second per video subscription.", "higher"),
    _trend("receive_bitrate", "bits/s", "Media bits per second, sampled each second per video subscription.", "higher"),
)

_SCORES = (
    _trend(
        "audio_mos",
        "MOS",
        "Opinion of a second of sound, 1 to 4.5, computed by the E-model (ITU-T G.107) from delay to arrival and loss; "
        "its constants for Opus are ours.",
        "higher",
    ),
    _trend(
        "video_delivery_score",
        "points",
        "A second of video, 0 to 100, by pictures shown and time frozen alone; what coding costs is not in it.",
        "higher",
    ),
    _trend(
        "av_arrival_offset_ms",
        "ms",
        "Delay of the sound less that of the picture on arrival, median of a second; above 0 the sound is late.",
    ),
)

_SHARES = (
    _rate("login_share", "Logins that reached the room, of all logins planned and due.", "higher"),
    _rate("published_share", "Streams that were reported publishing, of all planned and due.", "higher"),
    _rate("played_share", "Subscriptions whose first frame arrived, of all the plan expects.", "higher"),
    _rate("shown_share", "Frames received complete, of all frames captured while the subscription stood.", "higher"),
    _rate("frame_loss_rate", "Frames that never became complete, of all frames sent to the subscription."),
    _rate("packet_loss_rate", "Packets that never arrived, of all packets expected by sequence number."),
    _rate("freeze_time_share", "Time spent frozen by the W3C rule, of all time subscribed; open freezes included."),
    _rate("gap200_share", "Time in gaps of 200 ms and more between frames, of all time subscribed."),
    _rate("gap500_share", "Time in gaps of 500 ms and more between frames, of all time subscribed."),
    _rate("frames_late_rate", "Frames that arrived after a younger frame of their stream had, of all received."),
)

_STAMPS = (
    _value("wrong_stamps", "frames", "Frames whose stamp names another publisher or stream than the one subscribed."),
    _value("absent_stamps", "frames", "Frames without a stamp although their codec carries one."),
    _value("damaged_stamps", "frames", "Frames whose stamp fails its checksum."),
    _value("frames_doubled", "frames", "Frames that arrived again after they had been complete."),
    _value("frames_reordered", "frames", "Frames completed in another order than they were captured."),
)

_W3C = (
    _counter("packetsReceived", "packets", "RTP packets received, doubles included.", "higher", W3C),
    _counter("packetsLost", "packets", "RTP packets expected less those received, by RFC 3550.", "lower", W3C),
    _counter("framesReceived", "frames", "Complete frames received.", "higher", W3C),
    _counter("freezeCount", "freezes", "Gaps between frames long enough to be a freeze by the W3C rule.", "lower", W3C),
    _counter("totalFreezesDuration", "s", "Time spent in those freezes, in seconds.", "lower", W3C),
    _counter("pauseCount", "pauses", "Gaps between frames longer than 5 s.", "lower", W3C),
    _counter("totalPausesDuration", "s", "Time spent in those pauses, in seconds.", "lower", W3C),
    _counter("nackCount", "messages", "Requests for lost packets sent by receivers.", "lower", W3C),
    _counter("pliCount", "messages", "Picture-loss indications sent by receivers.", "lower", W3C),
)

_FAILURES = (
    _counter("login_failures", "attempts", "Logins that ended in an error or ran out of time."),
    _counter("publish_failures", "attempts", "Publishing attempts that ended in an error or ran out of time."),
    _counter("play_failures", "attempts", "Playing attempts that ended in an error or ran out of time."),
    _counter("disconnects", "events", "Times a user lost the room without asking for it."),
)

_PICTURES = (
    _trend("psnr_db", "dB", "PSNR of luma of each decoded picture against the camera's, damaged ones too.", "higher"),
    _trend("ssim", "of 1", "SSIM of luma (x264 form) of each decoded picture against the camera's.", "higher"),
    _trend(
        "network_psnr_db",
        "dB",
        "PSNR of luma of damaged pictures against the sender's own decode: what was lost on the way, not in coding.",
        "higher",
    ),
    _trend("vmaf", "points", "VMAF (v0.6.1) of intact pictures, from their clip's table; needs the extra.", "higher"),
    _rate("intact_share", "Pictures whose luma equals the sender's own decode bit by bit, of all decoded.", "higher"),
    _rate("wrong_picture_share", "Pictures that show another publisher's clip, of all decoded."),
    _rate("old_picture_share", "Pictures that show another frame of their clip than their stamp says, of all decoded."),
    _rate("frozen_picture_share", "Pictures that repeat the one before although the clip moves, of all decoded."),
    _rate("black_share", "Pictures that are black (98 % of the pixels), of all decoded."),
    _counter("framesDecoded", "frames", "Frames that became pictures, of subscriptions decoded.", "higher", W3C),
    _counter("framesUndecodable", "frames", "Frames the decoder refused, or had no key frame for after it did."),
    _counter("framesUndecoded", "frames", "Frames left out because the generator's decoders were behind."),
)

_SOUND = (
    _trend(
        "sound_level_dbfs",
        "dBFS",
        "RMS of each decoded second of sound, a full-scale square wave being 0.",
        "higher",
    ),
    _trend(
        "sound_delay_ms",
        "ms",
        "From capture at the publisher to decoded sound, by correlating a second with the publisher's own speech.",
    ),
    _trend(
        "av_offset_ms",
        "ms",
        "Delay of decoded sound less that of decoded pictures, median of a second; above 0 the sound is late.",
    ),
    _trend(
        "pesq_wb_mos",
        "MOS",
        "PESQ (ITU-T P.862.2, wide-band) of the 8 s with most concealed, of up to 8 streams; needs the extra.",
        "higher",
    ),
    _trend("visqol_mos", "MOS", "ViSQOL in speech mode of the same 8 s; needs the extra.", "higher"),
    _rate("concealed_share", "20 ms of sound that had to be concealed, of all played."),
    _rate("speech_activity_share", "20 ms of sound louder than -45 dBFS, of all decoded.", "higher"),
    _rate("audio_gap_share", "Time in gaps of 200 ms and more between packets of sound, of all time listened."),
    _rate(
        "silent_audio_share",
        "Seconds of speech of which nothing was heard: silence, or no packets although the picture is live.",
    ),
    _rate("wrong_speaker_share", "Seconds with the voice of another, or of nobody known, of all loud enough to tell."),
    _rate("unsure_speaker_share", "Seconds whose speaker cannot be told as too much was concealed, of all decoded."),
    _rate("quiet_sound_share", "Seconds below -45 dBFS, of which no speaker and no delay can be told, of all decoded."),
)

_EMULATION = (
    _counter("emulated_packets", "packets", "Packets that the emulated networks of users were given, both ways."),
    _counter("emulated_packets_dropped", "packets", "Those of them that the emulation dropped, by its own count."),
)

_NEWS = (
    _trend("user_added_ms", "ms", "From a user's IN to its being added at another client in the room."),
    _trend("stream_added_ms", "ms", "From a stream's LIVE at its publisher to its being added at another client."),
    _trend("user_deleted_ms", "ms", "From a user's logout to its being deleted at another client."),
    _trend("stream_deleted_ms", "ms", "From unpublish or logout to the stream's being deleted at another client."),
    _value("roster_lost", "elements", "Users and streams that another client was not told of in time."),
    _value("roster_stale", "elements", "Ended users and streams that another client was not told to delete in time."),
)

_ALL = (_TIMES, _MEDIA, _SCORES, _SHARES, _STAMPS, _W3C, _FAILURES, _PICTURES, _SOUND, _EMULATION, _NEWS)
METRICS: dict[str, Metric] = {metric.name: metric for group in _ALL for metric in group}
