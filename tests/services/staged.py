"""Users of the embedded service on virtual time: the real driver, signalling, shell and room logic, media made up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from harness.call import CallEngine, EventHandler, User
from harness.call.callbacks import Callback
from harness.conform.virtual_loop import run_virtually
from harness.conform.virtual_source import VirtualSink, VirtualSource
from harness.conform.virtual_stage import VirtualStage
from harness.room_service.settings import Settings
from harness.room_service.tokens import make_token

SETTINGS = Settings(heartbeat_interval=10, heartbeat_timeout=30, retry_window=120, count_interval=1e9)
SECRET = "of a service that exists only on virtual time"
Gist = tuple[Any, ...]


class Member(EventHandler):
    """One user with one engine. `heard`: the gist of every callback but the periodic ones, with its second."""

    def __init__(self, stage: VirtualStage, user: str) -> None:
        self.user, self.stage = user, stage
        self.under = stage.client(user)
        self.engine = CallEngine(self.under.driver, client=f"{user}#1")
        self.engine.set_event_handler(self)
        self.heard: list[tuple[float, Gist]] = []
        self.natives = 0

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(self, "hear" if name.startswith("on_") else name)

    def hear(self, callback: Callback) -> None:
        fields = callback.fields()
        if callback.event in ("pub.quality", "play.quality", "net.quality", "pub.first", "play.first"):
            return
        if "items" in fields:
            gist: Gist = (callback.event, fields.get("op", "SET"), *(item["id"] for item in fields["items"]))
        else:
            gist = (callback.event, *(v for k, v in fields.items() if k not in ("session", "at", "by", "code") and v))
            gist += (fields["code"],) if fields.get("code") else ()
        self.heard.append((round(asyncio.get_running_loop().time() - 1000, 3), gist))

    def take(self) -> list[Gist]:
        """What was heard since the last look."""
        heard, self.heard = self.heard, []
        return [gist for _, gist in heard]

    def second_of(self, *gist: Any) -> float:
        return next(second for second, found in self.heard if found == gist)

    def token(self, room: str, **rights: Any) -> str:
        return make_token(SECRET, self.user, room, wall=self.stage.wall, **rights)

    async def enter(self, room: str = "room", **rights: Any) -> Member:
        await self.engine.login_room(room, User(self.user), self.token(room, **rights))
        return self

    async def publish(self, stream: str) -> None:
        await self.engine.start_publishing_stream(stream, VirtualSource(self.stage.clock.now_us))

    async def play(self, stream: str) -> None:
        await self.engine.start_playing_stream(stream, VirtualSink(self.stage.clock.now_us))


def on_stage(scene: Callable[[VirtualStage], Awaitable[None]], settings: Settings = SETTINGS) -> None:
    async def whole() -> None:
        stage = VirtualStage(settings)
        try:
            await scene(stage)
        finally:
            await stage.close()

    run_virtually(whole())
