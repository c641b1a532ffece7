"""Kills, edits, deletions and changes by others in random order: no serving pod is lost, and the end is as specified.

`make chaos` runs it. `CHAOS_SECONDS` makes it longer, and `CHAOS_SEED` chooses other events.
"""

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from e2e.conftest import CHILDREN, Cloud, until
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.backends.incluster.desired import names, render
from tgi_operator.backends.incluster.desired.manifests import is_as_wanted
from tgi_operator.backends.incluster.desired.strategy import SURGE
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.secret_values import SecretValues

pytestmark = pytest.mark.installation("pods")

SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("CHAOS_SEED", "5"))

KEPT = ("one", "two")
"""Resources whose pods must keep serving. The third one is deleted and created."""

OTHER = "three"
NO_IMAGE = "ghcr.io/huggingface/text-generation-inference:does-not-exist"

_FIELDS = (
    ".type",
    ".object.metadata.name",
    r".object.metadata.labels.tgi-operator\.dev/name",
    ".object.metadata.deletionTimestamp",
    '.object.status.conditions[?(@.type=="Ready")].status',
)
# Not a tab, which kubectl replaces with spaces.
_COLUMNS = '{"|"}'.join(f"{{{each}}}" for each in _FIELDS) + r'{"\n"}'


@dataclass
class Observer:
    """Counts the serving pods of each resource at each event of a watch.

    `least` is how many must serve: as many as have served since, but not more than are wanted. There is room for a
    pod beside each old pod, so no successor needs the place of a serving pod.
    """

    wanted: dict[str, int] = field(default_factory=dict)
    least: dict[str, int] = field(default_factory=dict)
    serving: dict[str, set[str]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def want(self, name: str, replicas: int) -> None:
        """Set how many pods a resource wants, before the resource is applied."""
        with self._lock:
            self.wanted[name] = replicas
            self.least[name] = min(self.least.get(name, 0), replicas)

    def tell(self, what: str) -> None:
        """Record what happens, for failures of the test."""
        with self._lock:
            self.story.append(f"{time.monotonic():.1f} {what}")

    def read(self, lines: Iterable[str]) -> None:
        """Take in all events of the watch."""
        for line in lines:
            self.saw(line)

    def saw(self, line: str) -> None:
        """Take in one event of the watch."""
        change, pod, name, deleted, ready = line.rstrip("\n").split("|")
        with self._lock:
            serves = self.serving.setdefault(name, set())
            (serves.add if ready == "True" and not deleted and change != "DELETED" else serves.discard)(pod)
            if name not in KEPT:
                return
            if len(serves) < self.least[name]:
                self.violations.append(f"{name}: {len(serves)} of {self.least[name]} pods serve after {change} {pod}")
                self.violations += self.story[-12:]
            self.least[name] = max(min(len(serves), self.wanted[name]), 0)


@contextmanager
def observed(cloud: Cloud) -> Iterator[Observer]:
    """Watch the pods."""
    observer = Observer()
    where = ["--kubeconfig", str(cloud.plane.kubeconfig), "-n", cloud.namespace]
    which = [
        "-l",
        "app.kubernetes.io/component=server",
        "--watch",
        "--output-watch-events",
        "-o",
        f"jsonpath={_COLUMNS}",
    ]
    with subprocess.Popen([cloud.program, "get", "pods", *where, *which], stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        reader = threading.Thread(target=observer.read, args=(watch.stdout,))
        reader.start()
        try:
            yield observer
        finally:
            watch.terminate()
            reader.join()


def wrong(cloud: Cloud, name: str, spec: Mapping[str, Any]) -> list[str]:
    """Return how the objects of a resource differ from its spec."""
    resource = cloud.object("tgiendpoints", name)
    if resource is None or "selector" not in resource["status"]:
        return [f"{name}: {resource}"]
    owner = Owner("", cloud.namespace, name, resource["metadata"]["uid"])
    read = Spec.model_validate(spec)
    assert read.in_cluster is not None
    known = Resource(owner, resource["metadata"]["generation"], False, read, Status(), fields=spec)
    desired = render.desired(known, read.in_cluster, SecretValues(), "")
    made = {
        "services": desired.service,
        "poddisruptionbudgets": desired.budget,
        "deployments": desired.deployment(spec["replicas"], SURGE),
    }
    found = []
    for plural, manifest in made.items():
        live = cloud.object(plural, name)
        if live is None or not is_as_wanted(live, manifest):
            found.append(f"{plural}/{name}: {live}")
    revisions = [pod["metadata"]["labels"][names.LABEL_REVISION] for pod in cloud.pods(name)]
    if revisions != [desired.revision] * spec["replicas"]:
        found.append(f"{name}: pods of {revisions}")
    ready = cloud.condition(name, "Ready").get("status") == "True"
    if not ready or resource["status"].get("currentRevision") != desired.revision:
        found.append(f"{name}: {resource['status']}")
    return found


@dataclass
class Chaos:
    """Users, strangers and failures, by chance."""

    cloud: Cloud
    observer: Observer
    chance: random.Random
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def apply(self, name: str, replicas: int = 1, **fields: Any) -> None:
        """Apply a resource."""
        self.observer.want(name, replicas)
        self.specs[name] = {
            "model": {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"},
            "replicas": replicas,
            # Less than the default, so that the disks of the nodes have room for a pod on each GPU.
            "inCluster": {"resources": {"requests": {"ephemeral-storage": "1Gi"}}},
            **fields,
        }
        self.cloud.apply(name, self.specs[name])

    def wrong(self) -> list[str]:
        """Return how the objects differ from the specs."""
        found = [each for name, spec in self.specs.items() for each in wrong(self.cloud, name, spec)]
        owners = {child["metadata"]["labels"].get(names.LABEL_NAME) for child in self.cloud.objects(CHILDREN)}
        return found + [f"an object of {name}" for name in owners - self.specs.keys()]

    def act(self) -> None:
        """Do one thing."""
        action = self.chance.choice(self.actions)
        self.observer.tell(action.__name__)
        action()

    @property
    def actions(self) -> list[Callable[[], None]]:
        """The possible actions. Kills and edits are the most frequent ones."""
        return [
            self.kill,
            self.kill,
            self.edit,
            self.edit,
            self.scale,
            self.spoil,
            self.remove,
            self.delete,
            self.change,
        ]

    def kill(self) -> None:
        """Kill the operator. The next one starts while other things happen."""
        self.cloud.operator.process.signal(signal.SIGKILL)
        self.cloud.operator.process.wait(10)
        self.cloud.operator.process.start()

    def edit(self) -> None:
        """Change the pods of a resource."""
        name = self.chance.choice(KEPT)
        tokens = self.chance.randrange(1024, 4096)
        self.apply(name, self.specs[name]["replicas"], runtime={"maxTotalTokens": tokens, "maxInputTokens": 512})

    def scale(self) -> None:
        """Change the replica count of a resource."""
        name = self.chance.choice(KEPT)
        spec = self.specs[name]
        self.apply(name, **(spec | {"replicas": 3 - spec["replicas"]}))

    def spoil(self) -> None:
        """Change a resource so that no new pod can serve."""
        name = self.chance.choice(KEPT)
        bad: dict[str, Any] = self.chance.choice(
            [
                {"runtime": {"image": NO_IMAGE}},
                {"inCluster": {"resources": {"requests": {"memory": "4Ti"}}}},
                {"runtime": {"numShard": 8}},
            ]
        )
        self.apply(name, **(self.specs[name] | bad))

    def remove(self) -> None:
        """Delete a resource, or create it again."""
        if OTHER in self.specs:
            del self.specs[OTHER]
            self.cloud.kubectl("delete", "tgi", OTHER, "--wait=false")
        elif self.cloud.object("tgiendpoints", OTHER) is None:
            self.apply(OTHER)

    def delete(self) -> None:
        """Delete an object of a resource as a stranger."""
        name, kind = self.chance.choice(KEPT), self.chance.choice(("service", "pdb", "deployment"))
        self.cloud.kubectl("delete", kind, name, "--cascade=orphan", "--wait=false", "--ignore-not-found")

    def change(self) -> None:
        """Change an object of a resource as a stranger."""
        image = {"containers": [{"name": "tgi", "image": NO_IMAGE}]}
        kind, patch = self.chance.choice(
            [
                ("service", {"spec": {"selector": {"tgi-operator.dev/name": "other"}}}),
                ("pdb", {"spec": {"maxUnavailable": 0}}),
                ("deployment", {"spec": {"replicas": 3}}),
                ("deployment", {"spec": {"template": {"spec": image}}}),
            ]
        )
        # The object may have been deleted a moment ago.
        self.cloud.kubectl("patch", kind, self.chance.choice(KEPT), "-p", json.dumps(patch), check=False)


def test_random_kills_edits_and_strangers_lose_no_serving_pod(cloud: Cloud) -> None:
    with observed(cloud) as observer:
        chaos = Chaos(cloud, observer, random.Random(SEED))  # noqa: S311 - repeatable
        for name in KEPT:
            chaos.apply(name)
        for name in KEPT:
            cloud.wait_ready(name)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            chaos.act()
            time.sleep(chaos.chance.uniform(0, 0.5))
        cloud.operator.process.signal(signal.SIGKILL)
        cloud.operator.process.wait(10)
        cloud.operator.start()
        for name in KEPT:
            chaos.apply(name, 2, runtime={"maxTotalTokens": 2048})
        told = f"CHAOS_SEED={SEED} {observer.story}"
        until(lambda: chaos.wrong() == [], lambda: f"{chaos.wrong()} {told}")
        assert not observer.violations, (observer.violations, told)
        until(lambda: [observer.least[name] for name in KEPT] == [2, 2], lambda: f"not seen: {observer.least}")
        assert not observer.violations, (observer.violations, told)
