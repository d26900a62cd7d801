"""harness serve --setting: any setting of the service, and one sentence for what is none."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from harness.commands import serve as command
from harness.room_service.settings import Settings


def started_with(monkeypatch: pytest.MonkeyPatch, *options: str) -> Settings:
    seen: list[Settings] = []

    async def run(host: str, port: int, secret: str, settings: Settings, **rest: Any) -> None:
        seen.append(settings)

    monkeypatch.setattr(command, "run_service", run)
    monkeypatch.setenv("HARNESS_SECRET", "a secret for tests, long enough to sign with")
    result = CliRunner().invoke(command.serve, options)
    assert result.exit_code == 0, result.output
    return seen[0]


def test_settings_are_changed_by_name_and_keep_their_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("heartbeat_timeout=2", "kick_on_token_expiry=true", "users_per_room=4", "heartbeat_interval=0.5")
    settings = started_with(monkeypatch, *(word for option in options for word in ("--setting", option)))
    assert settings == Settings(
        heartbeat_timeout=2.0, kick_on_token_expiry=True, users_per_room=4, heartbeat_interval=0.5
    )
    assert isinstance(settings.heartbeat_timeout, float)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("heartbeat=2", "there is no 'heartbeat'"),
        ("users_per_room=many", "'many' is not a value; allowed: such as users_per_room=1000"),
        ("users_per_room=0", "'0' is not a value"),
        ("retry_window=-1", "'-1' is not a value"),
        ("retry_window=inf", "'inf' is not a value"),
        ("retry_window=nan", "'nan' is not a value"),
        ("kick_on_token_expiry=1", "'1' is not a value; allowed: such as kick_on_token_expiry=false"),
        ("retry_window", "'' is not a value"),
    ],
)
def test_what_is_no_setting_is_refused(option: str, message: str) -> None:
    result = CliRunner().invoke(command.serve, ["--setting", option])
    assert result.exit_code == 2
    assert message in result.output
