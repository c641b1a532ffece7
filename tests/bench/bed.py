"""The shared base of both benchmarks: a cluster, the operator's process, and counts of its writes."""

import json
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.ports import answers
from tgi_sandbox.operator import OperatorProcess

ROOT = Path(__file__).parents[2]
STEADY_SECONDS = 60
LIMIT_SECONDS = 1200
POLL_SECONDS = 0.5
"""Rare enough not to affect the measurement, and frequent enough for figures in seconds."""


@dataclass
class Bed:
    """A cluster and an operator."""

    plane: ControlPlane
    operator: OperatorProcess
    kubectl: str

    def apply(self, manifests: list[str]) -> Callable[[], float]:
        """Start `kubectl apply` of all manifests at once; return a function that waits for it and returns seconds."""
        file = Path(tempfile.mkstemp(suffix=".yaml")[1])
        file.write_text("---\n".join(manifests))
        # For validation, kubectl parses the OpenAPI document of the whole group for each object (GVSpec of client-go):
        # that would use the processors on which the operator is measured.
        command = [self.kubectl, "--kubeconfig", str(self.plane.kubeconfig), "apply", "--validate=ignore"]
        command += ["-f", str(file)]
        started, ended = time.monotonic(), list[float]()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

        def note_end() -> None:
            process.wait()
            ended.append(time.monotonic() - started)

        threading.Thread(target=note_end, daemon=True).start()

        def seconds() -> float:
            wait(lambda: bool(ended), "applying")
            return ended[0]

        return seconds

    def writes(self) -> Counter[str]:
        """Writes of the operator that the API server served, by kind."""
        text = self.plane.api.text("/metrics")
        found: Counter[str] = Counter()
        for labels, value in re.findall(r"^apiserver_request_total\{(.*?)\} (\S+)$", text, re.MULTILINE):
            label = dict(re.findall(r'(\w+)="(.*?)"', labels))
            kind = (label["verb"], label["resource"])
            if kind == ("PATCH", "tgiendpoints"):
                found[label["subresource"] or "finalizer"] += int(float(value))
            # No other client in the cluster uses server-side apply.
            elif label["verb"] == "APPLY":
                found[f"apply {label['resource']}"] += int(float(value))
        # The scheduler creates Events too: this is the operator's own count.
        events = self.operator.metrics().get('tgi_operator_kubernetes_writes_total{kind="event"}', 0)
        return found + Counter(event=int(events))

    def ready(self) -> int:
        """The number of resources that the operator counts as ready."""
        return int(self.operator.metrics().get('tgi_operator_endpoints{reason="InService"}', 0))

    def ready_times(self) -> dict[str, float]:
        """Return when each resource became Ready, as Unix time, by name."""
        listed = json.loads(self.plane.api.text("/apis/tgi-operator.dev/v1alpha1/tgiendpoints"))
        return {
            item["metadata"]["name"]: datetime.fromisoformat(condition["lastTransitionTime"]).timestamp()
            for item in listed["items"]
            for condition in item["status"]["conditions"]
            if condition["type"] == "Ready"
        }

    def longest_probe(self, *, scrapes: int) -> float:
        """Return the longest time that /healthz takes while /metrics is scraped, which blocks the event loop."""
        done = threading.Event()

        def scrape() -> None:
            for _ in range(scrapes):
                urlopen(f"http://127.0.0.1:{self.operator.port}/metrics").read()
            done.set()

        threading.Thread(target=scrape, daemon=True).start()
        longest = 0.0
        while not done.is_set():
            started = time.monotonic()
            urlopen(f"http://127.0.0.1:{self.operator.port}/healthz").read()
            longest = max(longest, time.monotonic() - started)
        return longest

    def restart(self, resources: int) -> float:
        """Kill the operator and restart it with the existing resources; return the seconds until it is settled."""
        self.operator.process.signal(signal.SIGKILL)
        self.operator.process.wait(10)
        started = time.monotonic()
        # Not start(): at ten thousand resources, the first listing takes longer than that waits.
        self.operator.process.start()
        self.operator.process.wait_ready(lambda: answers(self.operator.port, "/readyz"), LIMIT_SECONDS)
        wait(lambda: self.ready() >= resources and self.operator.metrics()["tgi_operator_queue_depth"] == 0, "restart")
        return time.monotonic() - started


def install(plane: ControlPlane, kubectl: str) -> None:
    """Install the CRD."""
    command = [kubectl, "--kubeconfig", str(plane.kubeconfig), "apply", "-f", str(ROOT / "crds" / "tgiendpoints.yaml")]
    subprocess.run(command, check=True, capture_output=True)
    time.sleep(3)


def wait(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took longer than {LIMIT_SECONDS} s")
        time.sleep(POLL_SECONDS)


def print_counts(title: str, counts: Counter[str], number: int) -> None:
    """Print counts for each of `number` resources."""
    print(f"\n{title}, for each of {number}:")
    for name, count in sorted(counts.items()):
        print(f"  {name:36}{count / number:8.2f}")


def print_table(rows: list[Any]) -> None:
    """Print one column for each row, a dataclass, and one line for each of its fields."""
    print()
    for field in fields(rows[0]):
        cells = "".join(f"{getattr(row, field.name):>12.2f}".replace(".00", "   ") for row in rows)
        print(f"{field.name.replace('_', ' '):36}{cells}")
