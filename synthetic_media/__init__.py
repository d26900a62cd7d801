"""What a simulated participant of a call shows and says: camera, microphone, stamps, pre-encoded clips.

Knows no network: it makes RTP payloads and reads them, and others send them.
"""

from synthetic_media.camera import Camera
from synthetic_media.clip import AudioClip, VideoClip, load_audio, load_video
from synthetic_media.frame import ClipFrame
from synthetic_media.microphone import speech
from synthetic_media.packetize import (
    MAX_PAYLOAD,
    frame_payloads,
    h264_nals,
    h264_starts_key,
    opus_payload,
    vp8_descriptor,
    vp8_payload,
)
from synthetic_media.spec import AudioSpec, VideoSpec
from synthetic_media.stamp import (
    STAMP_SIZE,
    Stamp,
    StampDamaged,
    pack_stamp,
    read_opus_stamp,
    read_sei_stamp,
    sei_nal,
    stamp_opus,
    unpack_stamp,
)
from synthetic_media.strip import StripReading, draw_strip, read_strip, strip_bits, strip_rows

__all__ = [
    "MAX_PAYLOAD",
    "STAMP_SIZE",
    "AudioClip",
    "AudioSpec",
    "Camera",
    "ClipFrame",
    "Stamp",
    "StampDamaged",
    "StripReading",
    "VideoClip",
    "VideoSpec",
    "draw_strip",
    "frame_payloads",
    "h264_nals",
    "h264_starts_key",
    "load_audio",
    "load_video",
    "opus_payload",
    "pack_stamp",
    "read_opus_stamp",
    "read_sei_stamp",
    "read_strip",
    "sei_nal",
    "speech",
    "stamp_opus",
    "strip_bits",
    "strip_rows",
    "unpack_stamp",
    "vp8_descriptor",
    "vp8_payload",
]
