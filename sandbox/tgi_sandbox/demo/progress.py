"""The progress of a resource to Ready: a row for each change of its conditions."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tgi_sandbox.demo.stage import DemoError, Stage

_DEADLINE_SECONDS = 180.0
_POLL_SECONDS = 0.25
_REFRESHES_PER_SECOND = 4


@dataclass
class Progress:
    """The observed conditions of the resource so far."""

    rows: list[tuple[float, str, str, str]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(self, resource: Mapping[str, Any]) -> bool:
        """Record the current conditions; return whether they have changed."""
        conditions = {c["type"]: c for c in resource.get("status", {}).get("conditions", ())}
        shown = " ".join(f"{name}={c['status']}" for name, c in conditions.items()) or "(no conditions yet)"
        ready = conditions.get("Ready", {})
        row = (shown, str(ready.get("reason", "")), str(ready.get("message", "")))
        if self.rows and self.rows[-1][1:] == row:
            return False
        self.rows.append((time.monotonic() - self.started, *row))
        return True

    def table(self, name: str) -> Table:
        """Return all rows as a table."""
        table = Table(title=f"TGIEndpoint {name}", title_justify="left", expand=True)
        for column in ("Time", "Conditions", "Reason", "Message"):
            table.add_column(column, overflow="fold", no_wrap=column in ("Time", "Reason"))
        for seconds, conditions, reason, message in self.rows:
            table.add_row(f"{seconds:5.1f} s", conditions, reason, message)
        return table


def watch(stage: Stage, name: str, aws_speed: float, namespace: str = "default") -> Mapping[str, Any]:
    """Show the resource's conditions until it is Ready, and return it.

    The output is a live table on a terminal, otherwise a line for each change.
    """
    progress = Progress()
    live = stage.console.is_terminal
    with Live(console=stage.console, refresh_per_second=_REFRESHES_PER_SECOND, auto_refresh=live) as display:
        while not _is_ready(resource := stage.read(name, namespace)):
            news = progress.add(resource)
            if live:
                display.update(Group(progress.table(name), _clock(progress, aws_speed)))
            elif news:
                _print_row(progress)
            if time.monotonic() - progress.started > _DEADLINE_SECONDS:
                raise DemoError(f"{name} was not Ready within {_DEADLINE_SECONDS:.0f} s: {progress.rows[-1][3]}")
            time.sleep(_POLL_SECONDS)
        progress.add(resource)
        if live:
            display.update(progress.table(name))
    if not live:
        _print_row(progress)
    return resource


def _clock(progress: Progress, aws_speed: float) -> Text:
    now = datetime.now(UTC).strftime("%H:%M:%S")
    return Text(f"{time.monotonic() - progress.started:5.1f} s  {now} UTC, AWS clock at {aws_speed:g} times real speed")


def _print_row(progress: Progress) -> None:
    seconds, conditions, reason, message = progress.rows[-1]
    said = f"  {reason}: {message}" if reason else ""
    sys.stdout.write(f"{seconds:6.1f} s  {conditions}{said}\n")
    sys.stdout.flush()


def _is_ready(resource: Mapping[str, Any]) -> bool:
    conditions = resource.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
