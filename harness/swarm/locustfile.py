"""The locustfile: one Locust user is one participant of a call.

    locust -f harness/swarm/locustfile.py --scenario scenarios/team-meeting.yaml --headless -u 12 -r 12

`harness run` uses it as well, with the run already prepared.
"""

import logging

# Imported before anything of Locust patches the process: these look up system libraries when they are imported.
import aioice  # noqa: F401
import aiortc  # noqa: F401
import av  # noqa: F401
from locust import User, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import WorkerRunner

from harness.swarm.desk import RemoteDesk
from harness.swarm.master import Master
from harness.swarm.parent import end_with_parent
from harness.swarm.station import Station


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _options(parser) -> None:  # type: ignore[no-untyped-def]
    parser.add_argument("--scenario", default="", help="scenario file")
    parser.add_argument("--service-url", default="", help="a running room service; empty starts the embedded one")
    parser.add_argument("--seed", type=int, default=None, include_in_web_ui=False, help="instead of the scenario's")
    parser.add_argument("--runs-dir", default="runs", include_in_web_ui=False, help="where run folders go")


@events.init.add_listener  # type: ignore[untyped-decorator]
def _init(environment: Environment, runner, **kwargs) -> None:  # type: ignore[no-untyped-def]
    end_with_parent()
    logging.getLogger("aioice").setLevel(logging.WARNING)  # it tells of every connectivity check at INFO
    if isinstance(runner, WorkerRunner):
        station = Station(environment, RemoteDesk(runner))
        environment.harness_station = lambda: station

        def report(client_id, data, **kwargs) -> None:  # type: ignore[no-untyped-def]
            interval = station.collect()
            if interval is not None:
                data["harness"] = interval

        events.report_to_master.add_listener(report)
        events.test_stop.add_listener(lambda environment, **kwargs: station.stop_parts())
        events.quit.add_listener(lambda exit_code, **kwargs: station.close())
    else:
        master = Master(environment, runner)
        environment.harness_station = lambda: master.station
        events.test_start.add_listener(master.test_start)
        events.test_stop.add_listener(master.test_stop)
        events.worker_report.add_listener(master.worker_report)
        events.quitting.add_listener(master.quitting)


class CallUser(User):  # type: ignore[misc]
    """Plays one part of the plan and leaves."""

    @task  # type: ignore[untyped-decorator]
    def take_part(self) -> None:
        station = self.environment.harness_station()
        if station is not None:
            station.take_part()
        raise StopUser
