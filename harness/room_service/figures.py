"""What the embedded service says of itself: Prometheus metrics and a health page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from harness.room_service.server import RoomServer


class Figures(Collector):
    """Read at scrape time from the live objects; nothing is counted twice."""

    def __init__(self, server: RoomServer) -> None:
        self._server = server
        self.login_attempts = self.login_failures = 0
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        server = self._server
        sources = [source for p in tuple(server.publications.values()) for source in p.sources.values()]
        sinks = [sink for source in sources for sink in source.sinks]
        gauges = {
            "rooms": (len(server.logic.rooms), "Rooms with at least one session"),
            "users": (sum(s.present for s in server.logic.sessions.values()), "Users in a room"),
            "streams": (len(server.publications), "Streams being published"),
            "plays": (sum(len(s.plays) for s in server.logic.sessions.values()), "Streams being played or waited for"),
            "forwarded_tracks": (len(sinks), "Audio and video tracks being forwarded"),
            "sockets_waiting": (server.waiting, "Sockets that have not logged in"),
            "packets_lost_upstream": (sum(s.packetsLost for s in sources), "Packets missing from current publishers"),
        }
        for name, (value, text) in gauges.items():
            yield GaugeMetricFamily(f"room_service_{name}", text, value=value)
        counters = {
            "login_attempts": (self.login_attempts, "Logins tried, resumed ones included"),
            "login_failures": (self.login_failures, "Logins refused"),
        }
        for name, (value, text) in counters.items():
            yield CounterMetricFamily(f"room_service_{name}", text, value=value)

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), content_type="text/plain")

    async def health(self, request: web.Request) -> web.Response:
        present = sum(session.present for session in self._server.logic.sessions.values())
        return web.json_response({"status": "ok", "rooms": len(self._server.logic.rooms), "users": present})
