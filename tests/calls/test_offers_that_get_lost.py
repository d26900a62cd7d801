"""An offer, or its answer, that goes down with the signalling socket: made again, and media flows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.call import CallError, ErrorCode

SHORT = {"heartbeat_interval": 0.5, "heartbeat_timeout": 5.0, "retry_window": 30.0}


@pytest.mark.parametrize("lost", ["the offer", "the answer"])
def test_media_flows_after_the_offer_is_made_again(lost: str, testbed: Any, participants: Any) -> None:
    async def scene() -> None:
        async with testbed(**SHORT) as bed:
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            driver = alice.driver
            playing, request = driver._playing, driver.request
            answer = playing.answer

            def break_off() -> None:
                driver._signalling._socket._socket._response.connection.transport.abort()
                playing.answer, driver.request = answer, request

            async def no_offer(event: Any) -> None:
                break_off()

            async def no_answer(op: str, fields: Any, **options: Any) -> Any:
                if op != "answer":
                    return await request(op, fields, **options)
                break_off()
                raise CallError(ErrorCode.SERVICE_CLOSED, "lost on the way")

            if lost == "the offer":
                playing.answer = no_offer
            else:
                driver.request = no_answer
            subscription = await alice.play(bob)
            await alice.sees(subscription, 10)
            assert [reason.value for reason in alice.reasons()] == ["LOGGING_IN", "IN", "RECONNECTING", "REJOINED"]
            assert subscription.measure.wrong == 0

    asyncio.run(scene())
