"""Where a process gets its parts of the run: from the run itself, or from the master by Locust messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from gevent.event import AsyncResult
from locust.env import Environment

from harness.scenario.participant import Participant
from harness.swarm.run import Run

ANSWER_SECONDS = 30.0
Tokens = Callable[[Participant], str]


class Desk(Protocol):
    """Where parts are handed out: the run itself in this process, or the master by message."""

    def context(self) -> dict[str, Any]: ...

    def claim(self) -> dict[str, Any] | None:
        """{"index", "token"} of a part, or None when there is none left."""
        ...

    def done(self, index: int) -> None: ...

    def ping(self) -> int:
        """The master's run clock in microseconds."""
        ...


class LocalDesk:
    """The run is in this process."""

    def __init__(self, run: Run, token: Tokens, name: str = "local") -> None:
        self._run, self._token, self._name = run, token, name

    def context(self) -> dict[str, Any]:
        return self._run.context()

    def claim(self) -> dict[str, Any] | None:
        index = self._run.claim(self._name)
        if index is None:
            return None
        return {"index": index, "token": self._token(self._run.plan.participants[index])}

    def done(self, index: int) -> None:
        self._run.done(self._name, index)

    def ping(self) -> int:
        return self._run.clock.now_us()


class RemoteDesk:
    """The master's desk, by Locust messages."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._answers: dict[str, list[AsyncResult[Any]]] = {}
        for kind in ("context", "claim", "ping"):
            runner.register_message(f"harness_{kind}_answer", self._answered)

    def _ask(self, kind: str) -> Any:
        waiting: AsyncResult[Any] = AsyncResult()
        self._answers.setdefault(f"harness_{kind}_answer", []).append(waiting)
        self._runner.send_message(f"harness_{kind}")
        return waiting.get(timeout=ANSWER_SECONDS)

    def _answered(self, environment: Environment, msg: Any, **kwargs: Any) -> None:
        waiting = self._answers.get(msg.type)
        if waiting:
            waiting.pop(0).set(msg.data)

    def context(self) -> dict[str, Any]:
        return dict(self._ask("context"))

    def claim(self) -> dict[str, Any] | None:
        found = self._ask("claim")
        return dict(found) if found else None

    def ping(self) -> int:
        return int(self._ask("ping"))

    def done(self, index: int) -> None:
        self._runner.send_message("harness_done", index)


class Counter:
    """The master's side of RemoteDesk: answers the messages of the workers."""

    def __init__(self, runner: Any, run: Run, token: Tokens) -> None:
        self._runner, self._run, self._token = runner, run, token
        for kind in ("context", "claim", "ping", "done"):
            runner.register_message(f"harness_{kind}", self._serve)

    def _serve(self, environment: Environment, msg: Any, **kwargs: Any) -> None:
        desk = LocalDesk(self._run, self._token, msg.node_id)
        kind = msg.type.removeprefix("harness_")
        if kind == "done":
            desk.done(int(msg.data))
            return
        answer = getattr(desk, kind)()
        self._runner.send_message(f"harness_{kind}_answer", answer, client_id=msg.node_id)
