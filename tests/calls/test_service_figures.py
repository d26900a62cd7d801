"""What the embedded service says of itself over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp


def test_health_and_metrics_tell_who_is_there_and_what_is_forwarded(testbed: Any, participants: Any) -> None:
    async def scene() -> None:
        async with testbed() as bed, aiohttp.ClientSession() as http:
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            await bob.play(alice)
            async with http.get(f"{bed.url}/healthz") as answer:
                assert await answer.json() == {"status": "ok", "rooms": 1, "users": 2}
            async with http.get(f"{bed.url}/metrics") as answer:
                text = await answer.text()
            values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
            assert float(values["room_service_users"]) == 2
            assert float(values["room_service_streams"]) == 2
            assert float(values["room_service_forwarded_tracks"]) == 2
            assert float(values["room_service_login_attempts_total"]) == 2
            assert float(values["process_cpu_seconds_total"]) > 0

    asyncio.run(scene())
