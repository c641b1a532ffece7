"""Draws the Grafana dashboards into docs/, from what a real Prometheus scrapes. `make dashboards` runs it."""

import tempfile
from pathlib import Path

import monitoring
from bench.bed import ROOT
from bench.dashboards.life import lived
from bench.dashboards.panels import draw, picture

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as workspace, lived(Path(workspace)) as (prometheus, times):
        for name, dashboard in monitoring.DASHBOARDS.items():
            for row, panels in monitoring.rows(dashboard).items():
                draw(panels, prometheus.get, times, ROOT / "docs" / picture(name, row))
