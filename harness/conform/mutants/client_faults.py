"""Ways to break the client's side: what its driver tells the engine, or does when it is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from harness.call.callbacks import Callback
from harness.conform.mutants.change import Change, Pick
from harness.conform.mutants.service_faults import put
from harness.conform.run import Sabotage
from harness.conform.virtual_stage import VirtualStage


def drivers(client: str, break_it: Callable[[Any], None]) -> Sabotage:
    """Every driver of a client ("alice#1", or all for "") is broken before it is used."""

    def sabotage(stage: VirtualStage) -> None:
        new_client = stage.client

        def make(name: str) -> Any:
            made = new_client(name)
            if client in ("", name):
                new_driver = made.driver

                def driver() -> Any:
                    found = new_driver()
                    break_it(found)
                    return found

                put(made, "driver", driver)
            return made

        put(stage, "client", make)

    return sabotage


def heard(
    client: str, event: str, change: Change, *, has: str = "", nth: int = 0, room: str = "", **fields: Any
) -> Sabotage:
    """Callbacks of a client, by the vocabulary (room.state), are changed before the engine hears them."""

    def break_it(driver: Any, pick: Pick) -> None:
        bind = driver.bind

        def bind_broken(emit: Callable[[Callback, int, Any], None]) -> None:
            def broken(callback: Callback, wire_us: int, native: Any) -> None:
                if room not in ("", callback.room_id) or not pick(callback.event, "", callback.fields()):
                    emit(callback, wire_us, native)
                    return
                for seconds, changed in change(callback):
                    if seconds > 0:
                        asyncio.get_running_loop().call_later(seconds, emit, changed, 0, native)
                    else:
                        emit(changed, wire_us, native)

            bind(broken)

        put(driver, "bind", bind_broken)

    def sabotage(stage: VirtualStage) -> None:
        pick = Pick(event, "", has, nth, fields)
        drivers(client, lambda driver: break_it(driver, pick))(stage)

    return sabotage


def swapped(client: str, first: str, until: str, **fields: Any) -> Sabotage:
    """Two callbacks of a client change places: `first`, with these fields, waits for the next `until`."""

    def break_it(driver: Any) -> None:
        bind = driver.bind
        waiting: list[tuple[Callback, int, Any]] = []

        def bind_broken(emit: Callable[[Callback, int, Any], None]) -> None:
            pick = Pick(first, "", "", 0, fields)

            def broken(callback: Callback, wire_us: int, native: Any) -> None:
                if pick(callback.event, "", callback.fields()):
                    waiting.append((callback, wire_us, native))
                    return
                emit(callback, wire_us, native)
                if waiting and callback.event == until:
                    for each in waiting:
                        emit(*each)
                    waiting.clear()

            bind(broken)

        put(driver, "bind", bind_broken)

    return drivers(client, break_it)
