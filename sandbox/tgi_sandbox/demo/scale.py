"""The scaling demo: real load on one endpoint, and its instance or pod count, which follows the load."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tgi_sandbox.demo import picture
from tgi_sandbox.demo.chart import chart
from tgi_sandbox.demo.load import LoadGenerator
from tgi_sandbox.demo.progress import watch
from tgi_sandbox.demo.scenarios import SCENARIOS, Scenario
from tgi_sandbox.demo.series import Moment, Series, clock
from tgi_sandbox.demo.stage import Stage, staged

_POLL_SECONDS = 0.5
_AFTERGLOW_SECONDS = 3.0
"""How long the end is shown, after all replicas above the lower bound are gone."""
_STATUS_LINES = 2


def demo_scale(folder: Path, backend: str, file: Path) -> int:
    """Run the demo with its files in `folder` and the picture in `file`; return the exit code.

    The exit code is 1 if the count did not rise and fall again. All processes that the demo starts end with it.
    """
    scenario = SCENARIOS[backend]
    manifest = yaml.safe_load(scenario.manifest.read_text())
    name = str(manifest["metadata"]["name"])
    with staged(folder, scenario.nodes, scenario.aws_speed, scenario.parts, **scenario.settings) as stage:
        stage.apply(scenario.manifest)
        resource = watch(stage, name, scenario.aws_speed)
        stage.console.print(f"\n{_announcement(scenario)}", highlight=False)
        with scenario.load(stage, resource, scenario.points, folder) as load:
            series = Series(scenario.now(stage))
            _follow(stage, scenario, name, load, series)
        stage.kubectl("get", "tgi", name)
    picture.draw(series, _title(manifest), scenario.axis, file)
    _summarise(stage.console, series)
    stage.console.print(f"The chart is in {file}. All processes have stopped.")
    return 0 if series.went_out_and_in else 1


def _announcement(scenario: Scenario) -> str:
    most = max(clients for _, clients in scenario.points)
    text = f"Starting Locust with up to {most} clients. Each sends its next request as soon as it gets a response."
    if scenario.aws_speed == 1:
        return text
    return f"{text} Requests take real time, but the AWS clock runs {scenario.aws_speed:g} times as fast."


def _follow(stage: Stage, scenario: Scenario, name: str, load: LoadGenerator, series: Series) -> None:
    """Show the progress until the load is over, or all is as before."""
    live = stage.console.is_terminal
    began = time.monotonic()
    back_at = None
    with Live(console=stage.console, auto_refresh=False) as display:
        while (elapsed := time.monotonic() - began) < load.plan.duration:
            load.check()
            news = series.add(scenario.now(stage), load.sample, stage.read(name))
            if live:
                display.update(_screen(stage, series, scenario), refresh=True)
            elif news:
                sys.stdout.write(f"{_line(series.moments[-1])}\n")
                sys.stdout.flush()
            if elapsed < load.plan.quiet or not series.is_back:
                back_at = None
            elif back_at is None:
                back_at = elapsed
            elif elapsed > back_at + _AFTERGLOW_SECONDS:
                break
            time.sleep(_POLL_SECONDS)


def _screen(stage: Stage, series: Series, scenario: Scenario) -> Group:
    width, height = stage.console.size
    drawn = chart(series, width, height - _STATUS_LINES, scenario.axis)
    return Group(Text.from_ansi(drawn, no_wrap=True), Text(_line(series.moments[-1]), no_wrap=True))


def _line(moment: Moment) -> str:
    load, replicas = moment.load, moment.replicas
    return (
        f"{clock(moment.seconds):>6}  {load.in_flight:3} in flight  {load.requests_per_second:5.1f}/s  "
        f"{replicas.ready}/{replicas.desired} replicas ready (bounds {replicas.least} to {replicas.most})  "
        f"ScalingActive={replicas.scaling}"
    )


def _title(manifest: Mapping[str, Any]) -> str:
    (metric,) = manifest["spec"]["autoscaling"]["metrics"]
    target = metric["target"]["averageValue"]
    return f"TGIEndpoint {manifest['metadata']['name']}: {metric['type']}, with a target of {target} per replica"


def _summarise(console: Console, series: Series) -> None:
    table = Table(title="status.scaling.history", title_justify="left", expand=True)
    for column in ("After", "Replicas", "Reason"):
        table.add_column(column, overflow="fold", no_wrap=column != "Reason")
    for scaling in series.scalings:
        table.add_row(clock(scaling.seconds), f"{scaling.before} -> {scaling.after}", scaling.reason)
    load = series.moments[-1].load
    console.print("", table, f"{load.requests} requests were sent, and {load.failures} of them failed.")
    if not series.went_out_and_in:
        console.print("[bold red]The replica count did not rise and then fall.[/bold red]")
