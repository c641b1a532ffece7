"""The load generator: Locust, as a separate process."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.demo.load_plan import VARIABLE, LoadPlan, LoadSample
from tgi_sandbox.processes import Process

LOCUSTFILE = Path(__file__).with_name("locustfile.py")

_START_SECONDS = 30.0
_FINISH_SECONDS = 30
"""How long a stopping client waits for its last answer."""
_STOP_SECONDS = 5.0


class LoadGenerator:
    """Clients of one class of the locustfile, as many as a plan has at each time; a context manager."""

    def __init__(self, client: str, plan: LoadPlan, folder: Path, environment: Mapping[str, str]) -> None:
        self.plan = plan
        self._file = folder / "load-plan.json"
        self._samples = Path(plan.samples)
        command = [
            *(str(Path(sys.executable).with_name("locust")), "-f", str(LOCUSTFILE), client),
            *("--headless", "--only-summary", "--stop-timeout", str(_FINISH_SECONDS)),
        ]
        variables = {**os.environ, **environment, VARIABLE: str(self._file)}
        self._process = Process("Locust", command, folder / "locust.log", variables)

    @classmethod
    def of_pods(
        cls, plane: ControlPlane, namespace: str, service: str, points: Sequence[tuple[float, int]], folder: Path
    ) -> Self:
        """Return clients of a Service of pods, with the points of a LoadPlan."""
        plan = LoadPlan(
            points,
            samples=str(folder / "load.jsonl"),
            target=f"/api/v1/namespaces/{namespace}/services/http:{service}:80/proxy/generate",
            host=plane.api.url,
            token_file=str(plane.layout.token),
            certificate_authority=str(plane.layout.certificate_authority),
        )
        return cls("PodsClient", plan, folder, {})

    @property
    def sample(self) -> LoadSample:
        """The latest sample of the load."""
        return LoadSample.last(self._samples)

    def check(self) -> None:
        """Raise ProcessError if it has ended unexpectedly."""
        self._process.check()

    def __enter__(self) -> Self:
        self.plan.write(self._file)
        for stale in (self._samples, self._process.log):
            stale.unlink(missing_ok=True)
        self._process.start()
        self._process.wait_ready(self._samples.exists, _START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop(_STOP_SECONDS)
