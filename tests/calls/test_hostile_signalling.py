"""Whatever is sent to the service's socket gets an error or a close, and calls in progress lose no frame."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from typing import Any

import aiohttp
import pytest

from harness.call import ErrorCode
from harness.room_service.tokens import make_token

ROOM = "attacked-room"


async def answer(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any] | None:
    """The next reply, or None when the service closed; events are passed over."""
    async with asyncio.timeout(5):
        while True:
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return None
            body = json.loads(message.data)
            if "event" not in body:
                return dict(body)


def login(bed: Any, user: str = "mallory", **changes: Any) -> dict[str, Any]:
    token = bed.service.token(user, ROOM)
    return {"id": 1, "op": "login", "room": ROOM, "user": user, "token": token, **changes}


BEFORE_LOGIN = {
    "not JSON": "{nonsense",
    "deeply nested JSON": "[" * 100_000,
    "not an object": "[1, 2]",
    "no op": "{}",
    "op of a wrong type": '{"op": 7}',
    "unknown op": '{"op": "dance"}',
    "publish": '{"op": "publish", "stream": "s", "sdp": ""}',
    "play": '{"op": "play", "stream": "s"}',
    "heartbeat": '{"op": "heartbeat"}',
    "login without fields": '{"op": "login"}',
    "login with numbers": '{"op": "login", "room": 1, "user": 2, "token": 3}',
    "half a surrogate": '{"op": "login", "room": "\\ud800", "user": "u", "token": "t"}',
}


@pytest.mark.parametrize("text", BEFORE_LOGIN.values(), ids=BEFORE_LOGIN.keys())
def test_a_malformed_message_gets_an_error_and_the_socket_can_still_log_in(testbed: Any, text: str) -> None:
    async def scene() -> None:
        async with testbed() as bed, aiohttp.ClientSession() as http, http.ws_connect(f"{bed.url}/ws") as socket:
            await socket.send_str(text)
            reply = await answer(socket)
            assert reply is not None
            assert reply["error"]["code"] > 0
            assert "\n" not in reply["error"]["message"]
            await socket.send_json(login(bed))
            reply = await answer(socket)
            assert reply is not None
            assert "ok" in reply

    asyncio.run(scene())


AFTER_LOGIN = {
    "second login": ({"op": "login", "room": ROOM, "user": "u", "token": "t"}, ErrorCode.ALREADY_LOGGED_IN),
    "publish without SDP": ({"op": "publish", "stream": "s"}, ErrorCode.BAD_REQUEST),
    "publish with text for SDP": ({"op": "publish", "stream": "s", "sdp": "hello"}, ErrorCode.BAD_DESCRIPTION),
    "publish with broken SDP": (
        {"op": "publish", "stream": "s", "sdp": "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:97 VP8/9\r\n"},
        ErrorCode.BAD_DESCRIPTION,
    ),
    "illegal stream id": ({"op": "play", "stream": "a b"}, ErrorCode.STREAM_ID_ILLEGAL),
    "empty stream id": ({"op": "play", "stream": ""}, ErrorCode.STREAM_ID_EMPTY),
    "long stream id": ({"op": "play", "stream": "s" * 257}, ErrorCode.STREAM_ID_TOO_LONG),
    "unplay of what is not played": ({"op": "unplay", "stream": "s"}, ErrorCode.STREAM_NOT_FOUND),
    "unpublish of what is not published": ({"op": "unpublish", "stream": "s"}, ErrorCode.STREAM_NOT_FOUND),
    "answer to no offer": ({"op": "answer", "offer": 1, "sdp": ""}, ErrorCode.BAD_REQUEST),
    "mute as text": ({"op": "mute", "stream": "s", "kind": "video", "muted": "yes"}, ErrorCode.BAD_REQUEST),
    "kick without the privilege": ({"op": "kick", "user": "u"}, ErrorCode.PUBLISH_FORBIDDEN),
    "long room extra": ({"op": "room_extra", "key": "k", "value": "v" * 129}, ErrorCode.EXTRA_VALUE_TOO_LONG),
    "long message": ({"op": "message", "body": "m" * 2000}, ErrorCode.MESSAGE_TOO_LONG),
    "token of somebody else": ({"op": "renew_token", "token": "abc"}, ErrorCode.TOKEN_INVALID),
}


def test_each_bad_request_of_a_user_gets_the_contract_code(testbed: Any) -> None:
    async def scene() -> None:
        async with testbed() as bed, aiohttp.ClientSession() as http, http.ws_connect(f"{bed.url}/ws") as socket:
            await socket.send_json(login(bed))
            assert await answer(socket)
            for name, (request, code) in AFTER_LOGIN.items():
                await socket.send_json({"id": 9, **request})
                reply = await answer(socket)
                assert reply is not None, name
                assert reply["error"]["code"] == code, name

    asyncio.run(scene())


def test_tokens_that_do_not_fit_are_refused_with_1002033(testbed: Any) -> None:
    async def scene() -> None:
        async with testbed() as bed, aiohttp.ClientSession() as http:
            other_secret = make_token("another secret that is long enough", "mallory", ROOM)
            expired = make_token("a secret for tests, long enough to sign with", "mallory", ROOM, lifetime=-1)
            for token in (other_secret, expired, bed.service.token("somebody", ROOM), "", "x" * 5000):
                async with http.ws_connect(f"{bed.url}/ws") as socket:
                    await socket.send_json(login(bed, token=token))
                    reply = await answer(socket)
                    assert reply is not None
                    assert reply["error"]["code"] == ErrorCode.TOKEN_INVALID

    asyncio.run(scene())


def test_an_oversize_message_and_a_flood_close_the_socket(testbed: Any) -> None:
    async def scene() -> None:
        async with testbed(message_bytes=10_000) as bed, aiohttp.ClientSession() as http:
            async with http.ws_connect(f"{bed.url}/ws") as socket:
                await socket.send_str("x" * 20_000)
                assert await answer(socket) is None
            async with http.ws_connect(f"{bed.url}/ws") as socket:
                with contextlib.suppress(ConnectionError):
                    for _ in range(1000):
                        await socket.send_str('{"op": "heartbeat"}')
                replies = []
                while (reply := await answer(socket)) is not None:
                    replies.append(reply["error"]["code"])
                assert ErrorCode.TOO_MANY_REQUESTS in replies

    asyncio.run(scene())


def test_a_socket_that_never_logs_in_is_closed(testbed: Any) -> None:
    async def scene() -> None:
        async with testbed(login_deadline=0.2) as bed, aiohttp.ClientSession() as http:
            async with http.ws_connect(f"{bed.url}/ws") as socket:
                async with asyncio.timeout(5):
                    assert json.loads((await socket.receive()).data)["event"] == "closing"
                    assert (await socket.receive()).type is not aiohttp.WSMsgType.TEXT
            assert bed.server.waiting == 0

    asyncio.run(scene())


def test_clients_that_reset_in_the_middle_of_the_handshake_leave_no_trace(
    testbed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    handshake = (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )

    def come_and_go(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by a reset
            client.send(handshake)

    async def scene() -> None:
        async with testbed() as bed, aiohttp.ClientSession() as http:
            port = int(bed.url.rpartition(":")[2])
            for _ in range(50):
                come_and_go(port)  # before the service's loop has read a byte of it
            async with http.ws_connect(f"{bed.url}/ws") as socket_after:
                await socket_after.send_json(login(bed))
                reply = await answer(socket_after)
                assert reply is not None
                assert "ok" in reply
            async with asyncio.timeout(5):
                while bed.server.waiting:
                    await asyncio.sleep(0.01)

    asyncio.run(scene())
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
