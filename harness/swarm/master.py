"""The master's side in Locust: gives out parts, gathers intervals, ends the run, and for `locust -f` reports it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import MasterRunner

from harness.room_service.process import SECRET_VARIABLE
from harness.room_service.tokens import make_token
from harness.scenario.errors import ScenarioError
from harness.scenario.participant import Participant
from harness.services.service import ServiceUnreachable
from harness.swarm.desk import Counter, LocalDesk
from harness.swarm.environment import RUN_VARIABLE
from harness.swarm.preparation import Prepared, Request, prepare
from harness.swarm.run import Run
from harness.swarm.station import Station
from harness.trace.run_folder import RunFolder, RunFolderError

INTERVAL_SECONDS = 1.0
LAST_REPORT_SECONDS = 1.5  # workers report once a second
LINGER_SECONDS = 60.0  # how long after its planned end a run may go on before it is ended


class Master:
    """One per master or local process. station: set where users run in this very process."""

    def __init__(self, environment: Environment, runner: Any) -> None:
        self._environment, self._runner = environment, runner
        self._prepared: Prepared | None = None
        self._secret = os.environ.get(SECRET_VARIABLE, "")
        self.run: Run | None = None
        self.station: Station | None = None
        self._watching: gevent.Greenlet | None = None
        self._supervised = RUN_VARIABLE in os.environ
        # Locust would stop the users when its run time is over, counted from before the run is prepared. A plan ends
        # by itself, so --run-time is taken as the plan's length instead.
        options = environment.parsed_options
        self._run_time: float | None = getattr(options, "run_time", None) or None
        if options is not None:
            options.run_time = None

    # -- Locust's events -----------------------------------------------------------------------------------------

    def test_start(self, environment: Environment, **kwargs: Any) -> None:
        if self.run is not None and self.run.ended is None:
            return
        try:
            folder = self._folder()
        except (ScenarioError, RunFolderError, ServiceUnreachable) as error:
            print(f"harness: {error}", flush=True)
            environment.process_exit_code = 4 if isinstance(error, ServiceUnreachable) else 2
            gevent.spawn(self._runner.quit)
            return
        self.run = Run(folder)
        if isinstance(self._runner, MasterRunner):
            Counter(self._runner, self.run, self.token)
        else:
            self.station = Station(environment, LocalDesk(self.run, self.token))
        self.run.start()
        self._watching = gevent.spawn(self._watch, self.run)

    def _folder(self) -> RunFolder:
        if self._supervised:
            return RunFolder(Path(os.environ[RUN_VARIABLE]))
        options = self._environment.parsed_options
        if not options.scenario:
            raise ScenarioError("--scenario is missing; allowed: a scenario file, such as scenarios/team-meeting.yaml")
        self._prepared = prepare(
            Request(
                scenario=Path(options.scenario),
                runs=Path(options.runs_dir),
                url=options.service_url or None,
                seed=options.seed,
                users=self._runner.target_user_count or None,
                duration=self._run_time,
                processes=max(1, getattr(self._runner, "worker_count", 1)),
            )
        )
        self._secret = self._prepared.secret
        return self._prepared.folder

    def token(self, participant: Participant) -> str:
        return make_token(self._secret, participant.user_id, participant.room_id)

    def worker_report(self, client_id: str, data: dict[str, Any], **kwargs: Any) -> None:
        interval = data.pop("harness", None)
        if interval is not None and self.run is not None:
            self.run.add_interval(client_id, interval)

    def _watch(self, run: Run) -> None:
        """Once a second: collect what this process measures, look for the end."""
        limit = time.monotonic() + run.plan.duration + LINGER_SECONDS
        known: set[str] = set()
        while run.ended is None:
            gevent.sleep(INTERVAL_SECONDS)
            self._collect(run)
            if isinstance(self._runner, MasterRunner):
                alive = {client.id for client in self._runner.clients.values() if client.state != "missing"}
                for worker in known - alive:
                    run.worker_lost(worker)
                known |= alive
            broken = run.broken_threshold()
            if broken is not None:
                run.end(broken)
            elif run.finished:
                run.end("finished")
            elif time.monotonic() > limit:
                run.end("users did not come to an end in time")
        if getattr(self._environment.parsed_options, "csv_prefix", None):
            gevent.sleep(LAST_REPORT_SECONDS)  # Locust writes its CSV files once a second, and not at the end
        if self._environment.web_ui is None:
            self._runner.quit()
        else:
            self._runner.stop()

    def _collect(self, run: Run) -> None:
        interval = self.station.collect() if self.station is not None else None
        if interval is not None:
            run.add_interval("local", interval)

    def test_stop(self, environment: Environment, **kwargs: Any) -> None:
        run = self.run
        if run is None:
            return
        run.end("interrupted")
        if self.station is not None:
            self.station.stop_parts()
            self._collect(run)
            self.station.close()
            self.station = None
        if self._prepared is not None and self._environment.web_ui is not None:
            gevent.spawn_later(LAST_REPORT_SECONDS, self._report)

    def quitting(self, environment: Environment, **kwargs: Any) -> None:
        """Workers send their last figures when they are told to quit; only then can there be results."""
        if self.run is not None and self._prepared is not None:
            self._runner.quit()
            self._report()

    def _report(self) -> None:
        """Under plain `locust -f` nobody else writes the results. Reports stand above the swarm, so it asks for one."""
        from reports.finish import EXIT_CODES, finish

        prepared, self._prepared = self._prepared, None
        if prepared is None or self.run is None:
            return
        prepared.release()
        _, found = finish(prepared.folder, self.run.ended or "interrupted")
        self._environment.process_exit_code = EXIT_CODES[found["verdict"]]
        print(f"harness: report in {prepared.folder.report}", flush=True)
