"""What an engine writes down: every call, its return, and every callback, numbered in the order of dispatch."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from harness.call.errors import CallError

T = TypeVar("T")


class Trace(Protocol):
    """The writer side of harness.trace, as far as the engine needs it."""

    def now(self) -> float: ...

    def write(self, record: dict[str, Any]) -> None: ...


class NoTrace:
    """Keeps the clock, drops the records."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def write(self, record: dict[str, Any]) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Place:
    """Whose record it is, in which room, in which epoch of that room."""

    user: str = ""
    room: str = ""
    epoch: int = 0


class Journal:
    """The records of one client."""

    def __init__(self, client: str, trace: Trace | None) -> None:
        self._client = client
        self._trace = trace or NoTrace()
        self._sequence = itertools.count()
        self._operation = itertools.count(1)

    def write(
        self,
        kind: str,
        name: str,
        args: dict[str, Any],
        place: Place,
        *,
        op: int = 0,
        wire_us: int = 0,
        native: Any = None,
    ) -> None:
        record: dict[str, Any] = {
            "seq": next(self._sequence),
            "client": self._client,
            "user": place.user,
            "room": place.room,
            "epoch": place.epoch,
            "kind": kind,
            "name": name,
            "args": args,
            "t": self._trace.now(),
        }
        if op:
            record["op"] = op
        if wire_us:
            record["t_wire"] = wire_us / 1_000_000
        if native is not None:
            record["native"] = native
        self._trace.write(record)

    def refused(self, name: str, args: dict[str, Any], place: Place, error: CallError) -> None:
        """Write down a call that was refused on the spot."""
        operation = next(self._operation)
        self.write("call", name, args, place, op=operation)
        self._returned(name, place, operation, "fail", error.code, error.args[0])

    async def call(
        self,
        name: str,
        args: dict[str, Any],
        work: Callable[[], Awaitable[T]],
        place: Callable[[], Place],
        limit: float,
    ) -> T:
        """Write down a call, do it, write down how it ended: fail, or info when it is not known whether it took effect.

        Raises CallError, with code 0 when no answer came within `limit` seconds.
        """
        operation = next(self._operation)
        self.write("call", name, args, place(), op=operation)

        def returned(result: str, code: int = 0, message: str = "", value: Any = None) -> None:
            self._returned(name, place(), operation, result, code, message, value)

        try:
            async with asyncio.timeout(limit) as patience:
                value = await work()
        except CallError as error:
            returned("fail", error.code, error.args[0])
            raise
        except TimeoutError as error:
            if not patience.expired():
                returned("info", 0, repr(error))
                raise
            returned("info", 0, "no answer")
            raise CallError(0, f"{name}: no answer within {limit:g} s") from None
        except asyncio.CancelledError:
            returned("info", 0, "cancelled")
            raise
        except Exception as error:  # a fault of the driver's: whether the call took effect is not known
            returned("info", 0, repr(error))
            raise
        returned("ok", value=value)
        return value

    def _returned(
        self, name: str, place: Place, operation: int, result: str, code: int, message: str = "", value: Any = None
    ) -> None:
        args: dict[str, Any] = {"result": result, "code": code}
        if message:
            args["message"] = message
        if value is not None:
            args["value"] = value
        self.write("ret", name, args, place, op=operation)
