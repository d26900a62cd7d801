"""harness serve: the embedded room service alone."""

from __future__ import annotations

import asyncio
import math
import os
import secrets
from dataclasses import fields, replace
from typing import Any

import click

from harness.room_service.process import READY, SECRET_VARIABLE, end_with_parent
from harness.room_service.process import serve as run_service
from harness.room_service.settings import Settings
from harness.room_service.tokens import MINIMUM_SECRET_BYTES


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, help="Port; 0 takes a free one.")
@click.option("--media-address", default=None, help="Address for media; default: the host's, or all this machine owns.")
@click.option("--heartbeat-timeout", default=90.0, show_default=True, help="Seconds of silence until a user is gone.")
@click.option("--retry-window", default=1200.0, show_default=True, help="Seconds a lost client may take to come back.")
@click.option(
    "--setting", "changes", multiple=True, metavar="NAME=VALUE", help="Any setting, such as kick_on_token_expiry=true."
)
@click.option("--end-with-parent", "with_parent", is_flag=True, hidden=True)
def serve(
    host: str,
    port: int,
    media_address: str | None,
    heartbeat_timeout: float,
    retry_window: float,
    changes: tuple[str, ...],
    with_parent: bool,
) -> None:
    """Run the embedded room service until Ctrl-C.

    Users' tokens are signed with the secret in HARNESS_SECRET; without one, a new secret is made and printed.
    """
    secret = os.environ.get(SECRET_VARIABLE, "")
    if secret and len(secret.encode()) < MINIMUM_SECRET_BYTES:
        raise click.UsageError(f"{SECRET_VARIABLE} must have at least {MINIMUM_SECRET_BYTES} bytes")
    if heartbeat_timeout <= 0 or retry_window < heartbeat_timeout:
        raise click.UsageError("--heartbeat-timeout must be above 0 and --retry-window not below it")
    if not secret:
        secret = secrets.token_urlsafe(32)
        click.echo(f"{SECRET_VARIABLE}={secret}   (made for this run; give it to whoever makes tokens)", err=True)
    if with_parent:
        end_with_parent()
    settings = Settings(
        heartbeat_interval=heartbeat_timeout / 3, heartbeat_timeout=heartbeat_timeout, retry_window=retry_window
    )
    settings = replace(settings, **dict(_change(text) for text in changes))
    try:
        asyncio.run(
            run_service(
                host, port, secret, settings, media_address=media_address, ready=lambda url: click.echo(READY + url)
            )
        )
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def _change(text: str) -> tuple[str, Any]:
    """Name and value of one --setting. Raises UsageError."""
    defaults = {field.name: field.default for field in fields(Settings)}
    name, _, value = text.partition("=")
    default = defaults.get(name)
    try:
        if isinstance(default, bool):
            return name, {"true": True, "false": False}[value.lower()]
        if isinstance(default, int | float):
            number = type(default)(value)
            if 0 < number < math.inf:
                return name, number
    except (ValueError, KeyError):
        pass
    if name in defaults:
        raise click.UsageError(f"--setting {name}: {value!r} is not a value; allowed: such as {name}={default}".lower())
    raise click.UsageError(f"--setting: there is no {name!r}; allowed: {', '.join(defaults)}")
