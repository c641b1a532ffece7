"""Draws the dashboards into docs/, from what a real Prometheus saw of the operator. `make dashboards` runs it.

Grafana itself has no part in it: the panels' queries and places are those of the dashboards, the rest is drawn here.
"""

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import monitoring
from bench.bed import ROOT
from bench.dashboards import picture
from bench.dashboards.answers import ask, values_of
from bench.dashboards.layout import laid_out
from bench.dashboards.life import SCRAPE_SECONDS, SECONDS, lived
from bench.dashboards.window import Window
from prometheus import Prometheus

REPEATS = 6
"""Of panels that repeat for each resource, so many are drawn."""


def main() -> int:
    """Live through it, ask for every panel and draw."""
    with tempfile.TemporaryDirectory() as workspace, lived(Path(workspace)) as (address, began):
        window = Window(began, began + SECONDS, SCRAPE_SECONDS)
        for name, dashboard in monitoring.DASHBOARDS.items():
            draw(Prometheus(address), dashboard, window, ROOT / "docs" / f"dashboard-{name}.svg")
    return 0


def draw(prometheus: Prometheus, dashboard: dict[str, Any], window: Window, file: Path) -> None:
    """Draw one dashboard."""
    started = time.monotonic()
    variables = {panel["repeat"] for panel in monitoring.panels(dashboard) if "repeat" in panel}
    repeats = {variable: values_of(prometheus, dashboard, variable, window) for variable in variables}
    panels = laid_out(dashboard, repeats, REPEATS)
    answers = [(panel, ask(prometheus, dashboard, panel, window)) for panel in panels]
    picture.draw(dashboard["title"], _caption(repeats), answers, window, file)
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB, drawn in {time.monotonic() - started:.1f} s", flush=True)


def _caption(repeats: Mapping[str, Sequence[str]]) -> str:
    minutes = f"{SECONDS // 60} minutes of the sandbox, scraped every {SCRAPE_SECONDS} s."
    how = "Drawn by `make dashboards` from the queries of the dashboard: not a screenshot of Grafana."
    left_out = "".join(f" {REPEATS} of {len(values)} panels that repeat are shown." for values in repeats.values())
    return f"{minutes} {how}{left_out}"


if __name__ == "__main__":
    sys.exit(main())
