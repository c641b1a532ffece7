"""Everything is real: the API server, the operator's process, the AWS emulator over HTTP, kubectl."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import boto3
import pytest
import yaml

from e2e.installations import ALL, HOME, INSTALLATIONS, Installation, Name
from integration.install.cluster import Cluster as Installed
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.desired import names
from tgi_sandbox.aws.control import Control, Request
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, build, components
from tgi_sandbox.cluster.api import ApiError
from tgi_sandbox.operator import OperatorProcess

FOLDER = Path(__file__).parent
CHAOS = "test_pods_chaos.py"
CRD = Path(__file__).parents[2] / "crds" / "tgiendpoints.yaml"
POLICY = Path(__file__).parents[2] / "manifests" / "iam" / "operator-policy.json"
ALLOWED = "allowed-actions.json"

SPEED = 120.0
"""Four minutes of AWS pass in two seconds."""

FALCON: Mapping[str, Any] = {
    "model": {"uri": "hf://tiiuae/falcon-7b-instruct"},
    "sageMaker": {
        "region": "eu-west-1",
        "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec-falcon",
        "instanceType": "ml.g5.12xlarge",
    },
}
"""The smallest resource on SageMaker."""

ZEPHYR: Mapping[str, Any] = {
    "model": {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"},
    "inCluster": {"gpu": {"count": 4, "products": ["NVIDIA-A100-SXM4-40GB"]}},
}
"""Pods of which two fit onto the cluster's only node with A100 GPUs."""

GROUPS: Mapping[str, str] = {
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "jobs": "/apis/batch/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "poddisruptionbudgets": "/apis/policy/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "podmonitors": "/apis/monitoring.coreos.com/v1",
    "tgiendpoints": "/apis/tgi-operator.dev/v1alpha1",
}
"""The API path of a kind of object; other kinds are in the core group."""

CHILDREN = "deployments,replicasets,pods,services,poddisruptionbudgets,jobs"

NODES = ("m5.xlarge", "g5.12xlarge", "g6.xlarge", "p4d.24xlarge")


def manifest(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a TGIEndpoint."""
    meta = {"name": name}
    return {"apiVersion": "tgi-operator.dev/v1alpha1", "kind": "TGIEndpoint", "metadata": meta, "spec": dict(spec)}


@dataclass
class Cloud:
    """A namespace of the cluster, the AWS account, and the operator between them."""

    plane: ControlPlane
    aws: AwsDouble
    operator: OperatorProcess
    installation: Installation
    namespace: str
    program: str

    @property
    def control(self) -> Control:
        """The control API of the AWS emulator."""
        return self.aws.control

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace; return its output."""
        command = [self.program, "--kubeconfig", str(self.plane.kubeconfig), "-n", self.namespace, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)
        if check:
            assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def apply(self, name: str, spec: Mapping[str, Any]) -> None:
        """Apply a TGIEndpoint with kubectl."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest(name, spec)))

    def get(self, name: str) -> dict[str, Any]:
        """Return a TGIEndpoint."""
        return self.plane.api.request("GET", self._path("tgiendpoints", name))

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        """Return a condition, empty if it is missing."""
        conditions = self.get(name).get("status", {}).get("conditions", ())
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def moments(self, name: str, seconds: float) -> Iterator[Mapping[str, Any]]:
        """Yield a TGIEndpoint for a while, each time that it has changed."""
        path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{self.namespace}/tgiendpoints/{name}"
        deadline, version = time.monotonic() + seconds, ""
        while time.monotonic() < deadline:
            resource = self.plane.api.request("GET", path)
            if resource["metadata"]["resourceVersion"] != version:
                version = resource["metadata"]["resourceVersion"]
                yield resource
            time.sleep(0.01)

    def wait_ready(self, name: str, seconds: int = 60) -> None:
        """Wait as users do."""
        self.kubectl("wait", "--for=condition=Ready", f"tgi/{name}", f"--timeout={seconds}s")

    def wait_reason(self, name: str, kind: str, reason: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until a condition has a reason; return the condition."""
        until(
            lambda: self.condition(name, kind).get("reason") == reason, lambda: str(self.get(name)["status"]), seconds
        )
        return self.condition(name, kind)

    def object(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return an object of the namespace, None if it is missing; `kind` is the plural, such as `services`."""
        try:
            return self.plane.api.request("GET", self._path(kind, name))
        except ApiError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def objects(self, kinds: str, **query: str) -> list[dict[str, Any]]:
        """Return the objects of some kinds in the namespace, such as `deployments,services`."""
        found: list[dict[str, Any]] = []
        for kind in kinds.split(","):
            page = self.plane.api.request("GET", f"{self._path(kind)}?{urlencode(query)}")
            found += [{"kind": page["kind"].removesuffix("List"), **each} for each in page["items"]]
        return found

    def _path(self, kind: str, name: str = "") -> str:
        # Not through kubectl: tests read ten times a second, and each kubectl takes a fifth of a second of CPU time.
        path = f"{GROUPS.get(kind, '/api/v1')}/namespaces/{self.namespace}/{kind}"
        return f"{path}/{name}" if name else path

    def pods(self, name: str) -> list[dict[str, Any]]:
        """Return the pods of a TGIEndpoint that serve or should serve, the oldest first."""
        found = self.objects("pods", labelSelector=self.get(name)["status"]["selector"])
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def endpoint(self, name: str) -> dict[str, Any] | None:
        """Return the AWS endpoint of a TGIEndpoint, None if it is missing."""
        return self.control.endpoint(self.endpoint_name(name))

    def endpoint_name(self, name: str) -> str:
        """Return the name of the AWS endpoint of a TGIEndpoint."""
        return names.endpoint_name(Key(self.namespace, name))

    def leftovers(self) -> list[str]:
        """Return the names of all AWS resources of this namespace."""
        found = [
            name
            for region in self.control.state()["regions"]
            for kind in ("models", "endpoint_configs", "endpoints")
            for name in region[kind]
            if name.startswith(self.namespace)
        ]
        return sorted(found)

    def sagemaker(self) -> Any:
        """Return a boto3 client of SageMaker."""
        return self.client("sagemaker")

    def client(self, service: str) -> Any:
        """Return a boto3 client with the credentials of another user of the account."""
        keys = self.aws.environment
        return boto3.client(
            service,
            region_name="eu-west-1",
            endpoint_url=self.aws.address,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )

    def accepted(self, operation: str, since: int = 0) -> int:
        """Return how many calls of an operation on this namespace AWS answered with success."""
        return len(
            [request for request in self.requests(since) if (request.operation, request.outcome) == (operation, "OK")]
        )

    def requests(self, since: int = 0) -> list[Request]:
        """Return the calls on this namespace."""
        return [request for request in self.control.requests(since) if request.name.startswith(self.namespace)]


def until(condition: Callable[[], bool], what: Callable[[], str], seconds: float = 60) -> None:
    """Wait until `condition` is true; on a timeout, fail with the text of `what`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


@contextmanager
def cluster(folder: Path, parts: tuple[str, ...] = components.ALL) -> Iterator[ControlPlane]:
    """Run a cluster with the CRD."""
    program = build.find(["kubectl"])["kubectl"]
    with ControlPlane(folder, parts, nodes=NODES) as running:
        command = [str(program), "--kubeconfig", str(running.kubeconfig)]
        subprocess.run([*command, "apply", "-f", str(CRD)], check=True, capture_output=True)
        until(lambda: _is_served(running), lambda: "the CRD is not served")
        home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
        permissions = [
            item for each in INSTALLATIONS.values() if not each.is_namespaced for item in each.permissions("")
        ]
        Installed(running).apply(home, *permissions)
        yield running


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Yield a cluster with the CRD."""
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def _is_served(running: ControlPlane) -> bool:
    try:
        running.api.request("GET", "/apis/tgi-operator.dev/v1alpha1/tgiendpoints")
    except RuntimeError:
        return False
    return True


@pytest.fixture(scope="package")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsDouble]:
    """Yield the AWS emulator; in the end, save the actions that the IAM policies allowed for `e2e.rights`."""
    with AwsDouble(speed=SPEED) as double:
        yield double
        allowed = {name: sorted(double.control.allowed(name)) for name in INSTALLATIONS}
        (tmp_path_factory.mktemp("aws") / ALLOWED).write_text(json.dumps(allowed))


def operator_of(
    plane: ControlPlane,
    aws: AwsDouble,
    folder: Path,
    installation: Installation = ALL,
    namespace: str = "",
    **settings: object,
) -> OperatorProcess:
    """Return the operator's process, with short intervals and almost no limits; it is not started.

    It has exactly the permissions and the IAM policy of its installation.
    """
    identity: dict[str, str] = {}
    if installation.uses_aws:
        document = POLICY.read_text().replace("/ml-*", "/test-*")
        aws.control.policy(installation.name, json.loads(document))
        identity = {**aws.environment, "AWS_ACCESS_KEY_ID": installation.name}
    kubeconfig = Installed(plane).kubeconfig_of(installation.release, folder / f"{installation.name}.kubeconfig")
    limits = {"aws_reads_per_second": 1000, "aws_writes_per_second": 1000, "aws_drift_reads_per_minute": 1000}
    intervals = {"sweep_interval": 0.5, "scaling_sweep_interval": 1, "node_wait_seconds": 1}
    installed = installation.settings(namespace)
    log = folder / f"{installation.name}{namespace}.log"
    return OperatorProcess(kubeconfig, identity, log, **(intervals | limits | installed | settings))


@dataclass
class Operators:
    """The operators of a cluster's installations, one of which runs at a time."""

    plane: ControlPlane
    aws: AwsDouble
    folder: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    _started: tuple[Installation, str] | None = None
    _process: OperatorProcess | None = None

    def running(self, installation: Installation, namespace: str) -> OperatorProcess:
        """Return the operator of an installation, which runs and watches the namespace."""
        watched = namespace if installation.is_namespaced else ""
        if self._process is None or self._started != (installation, watched):
            self.stop()
            if installation.is_namespaced:
                Installed(self.plane).apply(*installation.permissions(namespace))
            self._process = operator_of(self.plane, self.aws, self.folder, installation, watched, **self.settings)
            self._started = (installation, watched)
        if not self._process.process.running:
            self._process.start()
        return self._process

    def stop(self) -> None:
        """Stop the running operator."""
        if self._process is not None and self._process.process.running:
            self._process.stop()


@pytest.fixture(scope="package")
def operators(plane: ControlPlane, aws: AwsDouble, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operators]:
    """Yield the operators of the installations."""
    made = Operators(plane, aws, tmp_path_factory.mktemp("operator"))
    yield made
    made.stop()


@pytest.fixture
def installation(request: pytest.FixtureRequest) -> Installation:
    """Return the installation that the story runs in."""
    return INSTALLATIONS[request.config.getoption("installation") or declared(request.node)]


@pytest.fixture
def cloud(plane: ControlPlane, aws: AwsDouble, operators: Operators, installation: Installation) -> Iterator[Cloud]:
    """Yield a new namespace in a cloud without faults; in the end, everything is deleted and must be gone."""
    namespace = plane.create_namespace()
    operator = operators.running(installation, namespace)
    made = Cloud(plane, aws, operator, installation, namespace, str(build.find(["kubectl"])["kubectl"]))
    until(lambda: made.object("serviceaccounts", "default") is not None, lambda: "no pod is let in without it")
    yield made
    aws.control.clear_faults()
    made.kubectl("delete", "tgi", "--all", "--timeout=60s")
    assert made.leftovers() == []
    assert made.control.violations() == []
    # The garbage collector learns about the CRD, a new kind of owner, within half a minute.
    until(lambda: made.objects(CHILDREN) == [], lambda: f"left: {made.kubectl('get', CHILDREN)}", 60)


def declared(item: pytest.Item) -> Name:
    """Return the installation that a story declares with `pytest.mark.installation`."""
    marker = item.get_closest_marker("installation")
    assert marker is not None, f"{item.nodeid} does not declare its installation"
    (name,) = marker.args
    return cast("Name", name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose the stories: those of an installation, or the one of random events."""
    parser.addoption("--installation", choices=list(INSTALLATIONS), help="run all stories that this one serves")
    parser.addoption("--chaos", action="store_true", help="run only the story of random events")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the stories that the installation of the command line does not support, and random events by default."""
    chosen, chaos = config.getoption("installation"), bool(config.getoption("chaos"))
    stories = [item for item in items if FOLDER in item.path.parents]
    left_out = [
        item
        for item in stories
        if (item.path.name == CHAOS) is not chaos or (chosen and declared(item) not in INSTALLATIONS[chosen].stories)
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
