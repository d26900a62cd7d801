"""Locust's command with only what its workers need patched, so that asyncio keeps native sockets and threads."""

import os
import sys

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"

# Imported before anything is patched: these look up system libraries when they are imported.
import aioice  # noqa: F401
import aiortc  # noqa: F401
import av  # noqa: F401
from gevent import monkey

monkey.patch_time()
monkey.patch_os()
monkey.patch_signal()

import locust.runners  # noqa: E402
from locust.main import main  # noqa: E402

# Once a second: what a killed worker had measured since its last report is lost.
locust.runners.WORKER_REPORT_INTERVAL = 1.0

if __name__ == "__main__":
    sys.exit(main())
