"""One user's device: its client, made anew after a crash or a destroy, and what befalls it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.conform.argument import Token
from harness.conform.client import Client
from harness.conform.naming import Naming
from harness.conform.operation import ALL, FAULTS
from harness.conform.stage import Stage
from harness.trace.writer import TraceWriter

_NAMES = ("room", "stream", "user", "target")  # arguments that name what a service knows


class Actor:
    """Does what the steps of one user and device say. numbers: of the user's clients, over all its devices."""

    def __init__(self, user: str, numbers: Iterator[int], stage: Stage, trace: TraceWriter, naming: Naming) -> None:
        self._user, self._numbers = user, numbers
        self._stage, self._trace, self._naming = stage, trace, naming
        self._client: Client | None = None
        self._clients: list[Client] = []
        self._abandoning: set[asyncio.Task[None]] = set()

    def perform(self, do: str, args: Mapping[str, Any]) -> None:
        """Begin an operation. The names in args are those of the schedule."""
        if do in FAULTS:
            if self._client is not None:  # else nobody is there whom it could befall
                self._befall(self._client, do, args)
            return
        if self._client is None or (self._client.destroyed and do == "login"):
            name = f"{self._user}#{next(self._numbers)}"
            self._client = Client(name, self._naming(self._user), self._stage, self._trace)
            self._clients.append(self._client)
        self._client.perform(do, {name: self._named(name, value) for name, value in args.items()})

    def _named(self, name: str, value: Any) -> Any:
        if isinstance(value, Token):
            return replace(value, user=self._naming(value.user))
        if name in _NAMES and isinstance(value, str) and not (name == "stream" and value == ALL):
            return self._naming(value)
        return value

    # -- faults --------------------------------------------------------------------------------------------------

    def _befall(self, client: Client, do: str, args: Mapping[str, Any]) -> None:
        if do == "crash":
            self._write(client, "crash", "once")
            self._client = None
            self._clients.remove(client)
            client.vanish()
            task = asyncio.create_task(client.abandon(silent=args["how"] == "silent"))
            self._abandoning.add(task)
            task.add_done_callback(self._abandoning.discard)
        elif do == "reset":
            self._write(client, "reset", "once")
            client.under.reset()
        elif do == "black_hole" and not client.holed:
            client.holed = True
            self._write(client, "black_hole", "begin")
            client.under.black_hole()
        elif do == "heal":
            self._heal(client)

    def _heal(self, client: Client) -> None:
        if client.holed:
            client.holed = False
            self._write(client, "black_hole", "end")
            client.under.heal()

    def _write(self, client: Client, name: str, phase: str) -> None:
        self._trace.write(
            {
                "kind": "fault",
                "name": name,
                "client": client.name,
                "user": client.user,
                "room": client.room,
                "args": {"phase": phase},
                "t": self._trace.now(),
            }
        )

    # -- the end -------------------------------------------------------------------------------------------------

    def heal_all(self) -> None:
        for client in self._clients:
            self._heal(client)

    async def leave(self) -> None:
        """Every client logs out and is destroyed."""
        for client in self._clients:
            await client.leave()
        await asyncio.gather(*self._abandoning)
