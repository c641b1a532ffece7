"""`kubectl tgi` on a real API server: its output, its waiting, and its exit codes."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tgi_operator import __version__
from tgi_operator.cli import plugin
from tgi_operator.exit_codes import ExitCode
from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.api import ApiServer
from tgi_sandbox.cluster.credentials import write_kubeconfig
from unit.chart.rendering import program
from waiting import wait_until

Object = dict[str, Any]

MODEL = {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"}
PLACE = {
    "region": "eu-west-1",
    "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec-ml",
    "instanceType": "ml.g5.2xlarge",
}
ENDPOINT = "ml-zephyr-0123456789ab"
TIME = "2026-01-31T12:00:00Z"


def condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": TIME}


STALLED = [
    condition("Ready", "False", "QuotaExceeded", "The quota is 0. Retrying at 2126-01-31T12:10:00Z."),
    condition("Available", "False", "NotServing", "No instance accepts requests."),
    condition("Stalled", "True", "QuotaExceeded", "The quota is 0. Retrying at 2126-01-31T12:10:00Z."),
]
READY = [
    condition("Ready", "True", "InService", "1/1 instances ready."),
    condition("Available", "True", "Serving", "The endpoint accepts requests."),
]


class Plugin:
    """The plugin as a user of one namespace of a cluster; the namespace is that of the kubeconfig's context."""

    def __init__(self, api: ApiServer, namespace: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.api = api
        self.namespace = namespace
        self.path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{namespace}/tgiendpoints"
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr of `kubectl tgi`."""
        code = plugin.main(list(arguments))
        return (code, *self._capsys.readouterr())

    def apply(self, name: str, **spec: Any) -> Object:
        """Create a resource."""
        body = {"apiVersion": "tgi-operator.dev/v1alpha1", "kind": "TGIEndpoint", "metadata": {"name": name}}
        fields = {"model": MODEL, "sageMaker": PLACE} if not spec else {"model": MODEL, **spec}
        return self.api.request("POST", self.path, {**body, "spec": fields})

    def report(self, name: str, conditions: list[Object], **status: Any) -> None:
        """Write the status like the operator."""
        body = {"status": {"observedGeneration": 1, "conditions": conditions, **status}}
        self.api.request("PATCH", f"{self.path}/{name}/status", body)


@pytest.fixture
def kubeconfig(control_plane: ControlPlane, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that creates a kubeconfig whose context has a namespace."""

    def made(namespace: str) -> Path:
        config = yaml.safe_load(control_plane.kubeconfig.read_text())
        for context in config["contexts"]:
            context["context"]["namespace"] = namespace
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    return made


@pytest.fixture
def tgi(
    control_plane: ControlPlane,
    namespace: str,
    kubeconfig: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Plugin:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(namespace)))
    return Plugin(control_plane.api, namespace, capsys)


def test_a_resource_that_is_not_there(tgi: Plugin) -> None:
    code, out, err = tgi("status", "zephyr")
    assert (code, out) == (ExitCode.FAILED, "")
    missing = f"TGIEndpoint {tgi.namespace}/zephyr does not exist"
    assert err == f"kubectl tgi: {missing}; to list all TGIEndpoints, run kubectl get tgi --all-namespaces\n"


def test_the_context_and_the_kubeconfig_are_those_of_the_options(tgi: Plugin, tmp_path: Path) -> None:
    tgi.apply("zephyr")
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    elsewhere = {"name": "elsewhere", "context": {**config["contexts"][0]["context"], "namespace": "elsewhere"}}
    path = tmp_path / "other"
    path.write_text(yaml.safe_dump({**config, "contexts": [*config["contexts"], elsewhere]}))
    assert (
        "TGIEndpoint elsewhere/zephyr does not exist"
        in tgi("status", "zephyr", "--kubeconfig", str(path), "--context", "elsewhere")[2]
    )
    code, out, _ = tgi("status", "zephyr", "--kubeconfig", str(path), "--context", "elsewhere", "-n", tgi.namespace)
    assert (code, out.splitlines()[0]) == (0, f"{tgi.namespace}/zephyr: Not observed")
    code, _, err = tgi("status", "zephyr", "--context", "nowhere")
    assert code == ExitCode.FAILED
    assert err.startswith(
        "kubectl tgi: no Kubernetes cluster: Invalid kube-config file. Expected object with name nowhere"
    )


def test_a_stuck_resource_is_explained(tgi: Plugin) -> None:
    uid = tgi.apply("zephyr")["metadata"]["uid"]
    event = {
        "metadata": {"name": "zephyr.1"},
        "eventTime": "2026-01-31T12:00:00.000000Z",
        "reportingController": "tgi-operator.dev/tgi-operator",
        "reportingInstance": "test",
        "regarding": {"kind": "TGIEndpoint", "namespace": tgi.namespace, "name": "zephyr", "uid": uid},
        "action": "Reconcile",
        "type": "Warning",
        "reason": "QuotaExceeded",
        "note": "The quota is 0.",
    }
    tgi.api.request("POST", f"/apis/events.k8s.io/v1/namespaces/{tgi.namespace}/events", event)
    tgi.report("zephyr", STALLED, sageMaker={"endpointName": ENDPOINT, "endpointStatus": "Failed"})
    code, out, err = tgi("status", "zephyr")
    assert (code, err) == (0, "")
    assert out.startswith(f"{tgi.namespace}/zephyr: Action required\n")
    assert "\nQuotaExceeded: The quota is 0. Retrying at" in out
    assert "\nAction: In AWS Service Quotas, request an increase for the quota that the message names." in out
    assert "\nNext retry: 2126-01-31T12:10:00Z (in " in out
    assert f"/aws/sagemaker/Endpoints/{ENDPOINT}" in out
    assert "Warning  QuotaExceeded  TGIEndpoint/zephyr  The quota is 0." in out
    assert "\x1b" not in out
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        explained = read(tgi("status", "zephyr", "-o", form)[1])
        assert (explained["state"], explained["reason"]) == ("Action required", "QuotaExceeded")
        assert explained["nextRetry"]["time"] == "2126-01-31T12:10:00Z"
        assert [each["reason"] for each in explained["events"]] == ["QuotaExceeded"]
    line = tgi("events", "zephyr")[1]
    assert line.split(maxsplit=4)[1:] == ["Warning", "QuotaExceeded", "TGIEndpoint/zephyr", "The quota is 0.\n"]
    (listed,) = json.loads(tgi("events", "zephyr", "-o", "json")[1])
    assert listed["message"] == "The quota is 0."


def test_a_resource_without_events(tgi: Plugin) -> None:
    tgi.apply("zephyr")
    code, out, err = tgi("events", "zephyr")
    assert (code, out) == (0, "")
    assert err.startswith("No Events found for zephyr")


def test_pods_and_their_events_are_shown(tgi: Plugin) -> None:
    tgi.apply("zephyr", inCluster={})
    labels = {"tgi-operator.dev/name": "zephyr"}
    pod = {
        "metadata": {"name": "zephyr-0", "labels": labels},
        "spec": {"containers": [{"name": "tgi", "image": "tgi"}]},
    }
    made = tgi.api.request("POST", f"/api/v1/namespaces/{tgi.namespace}/pods", pod)
    about = {"kind": "Pod", "namespace": tgi.namespace, "name": "zephyr-0", "uid": made["metadata"]["uid"]}
    event: Object = {
        "metadata": {"name": "zephyr-0.1"},
        "involvedObject": about,
        "reason": "FailedScheduling",
        "type": "Warning",
    }
    event |= {"message": "0/1 nodes are available.", "lastTimestamp": TIME, "count": 3}
    tgi.api.request("POST", f"/api/v1/namespaces/{tgi.namespace}/events", event)
    tgi.report("zephyr", STALLED, inCluster={"deploymentName": "zephyr", "serviceName": "zephyr"})
    out = tgi("status", "zephyr")[1]
    assert "\nObjects: Deployment/zephyr, Service/zephyr\n" in out
    assert "\n  zephyr-0  Pending  not ready  0 restarts  not scheduled\n" in out
    assert "FailedScheduling  Pod/zephyr-0  0/1 nodes are available. (x3)" in out
    assert "FailedScheduling" in tgi("events", "zephyr")[1]


def test_logs_of_an_endpoint_are_in_cloudwatch(tgi: Plugin) -> None:
    tgi.apply("zephyr")
    code, out, err = tgi("logs", "zephyr")
    assert (code, out) == (ExitCode.FAILED, "")
    assert "has no endpoint yet" in err
    tgi.report("zephyr", READY, sageMaker={"endpointName": ENDPOINT})
    code, out, _ = tgi("logs", "zephyr")
    assert code == 0
    assert out.endswith(f"\naws logs tail /aws/sagemaker/Endpoints/{ENDPOINT} --region eu-west-1 --since 1h\n")


def test_logs_that_cannot_be_read_are_named(tgi: Plugin) -> None:
    tgi.apply("zephyr", inCluster={})
    code, out, err = tgi("logs", "zephyr")
    assert (code, out) == (0, "")
    assert err.startswith(f"No logs found for {tgi.namespace}/zephyr")
    pod = {
        "metadata": {"name": "zephyr-0", "labels": {"tgi-operator.dev/name": "zephyr"}},
        "spec": {"nodeName": "gone", "containers": [{"name": "tgi", "image": "tgi"}]},
    }
    tgi.api.request("POST", f"/api/v1/namespaces/{tgi.namespace}/pods", pod)
    code, out, err = tgi("logs", "zephyr")
    assert (code, out) == (0, "")
    assert err.startswith("[zephyr-0/tgi] ")


def test_url(tgi: Plugin) -> None:
    tgi.apply("zephyr")
    assert tgi("url", "zephyr")[0] == ExitCode.FAILED
    address = f"https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/{ENDPOINT}/invocations"
    tgi.report("zephyr", READY, url=address)
    code, out, err = tgi("url", "zephyr")
    assert (code, out) == (0, f"{address}\n")
    assert "Signature Version 4" in err


def test_wait_ends_when_the_resource_is_ready(tgi: Plugin) -> None:
    tgi.apply("zephyr")
    timer = threading.Timer(1.5, tgi.report, ("zephyr", READY))
    timer.start()
    started = time.monotonic()
    code, out, err = tgi("wait", "zephyr", "--timeout", "60")
    timer.join()
    assert (code, out, err) == (0, f"{tgi.namespace}/zephyr is Ready: 1/1 instances ready.\n", "")
    assert time.monotonic() - started >= 1
    assert tgi("wait", "zephyr", "--for", "Available", "--timeout", "60")[0] == 0


def test_wait_fails_at_once_where_a_person_must_act(tgi: Plugin) -> None:
    tgi.apply("zephyr")
    tgi.report("zephyr", STALLED)
    started = time.monotonic()
    code, out, err = tgi("wait", "zephyr")
    assert (code, out) == (ExitCode.STALLED, "")
    assert err.startswith(f"kubectl tgi: {tgi.namespace}/zephyr is Stalled: QuotaExceeded: The quota is 0.")
    assert f"kubectl tgi status zephyr -n {tgi.namespace}" in err
    assert time.monotonic() - started < 30


def test_wait_ends_with_the_time(tgi: Plugin) -> None:
    tgi.apply("zephyr")
    code, _, err = tgi("wait", "zephyr", "--timeout", "1")
    assert code == ExitCode.TIMED_OUT
    assert "timed out after 1 second: the operator has not reported on the resource" in err


def test_wait_does_not_count_the_status_of_an_earlier_spec(tgi: Plugin) -> None:
    tgi.apply("zephyr")
    tgi.report("zephyr", STALLED)
    tgi.api.request("PATCH", f"{tgi.path}/zephyr", {"spec": {"replicas": 2}})
    assert tgi("wait", "zephyr", "--timeout", "1")[0] == ExitCode.TIMED_OUT
    assert "\nAction: Wait until the operator has reported on the latest change" in tgi("status", "zephyr")[1]


def test_retry_ends_when_the_operator_has_acted(tgi: Plugin) -> None:
    tgi.apply("zephyr")
    tgi.report("zephyr", STALLED)
    assert tgi("retry", "zephyr", "--timeout", "1")[0] == ExitCode.TIMED_OUT
    # A wait only counts events after the request.
    assert tgi("wait", "zephyr", "--timeout", "1")[0] == ExitCode.TIMED_OUT

    def answer() -> None:
        before = tgi.api.request("GET", f"{tgi.path}/zephyr")["metadata"]["annotations"]["tgi-operator.dev/requestedAt"]

        def requested() -> str:
            found = tgi.api.request("GET", f"{tgi.path}/zephyr")["metadata"]["annotations"]
            return str(found["tgi-operator.dev/requestedAt"])

        wait_until(lambda: requested() != before)
        tgi.report("zephyr", READY, lastHandledRequest=requested())

    thread = threading.Thread(target=answer)
    thread.start()
    code, out, _ = tgi("retry", "zephyr", "--timeout", "60")
    thread.join()
    assert code == 0
    assert out == f"The operator acted on the request for {tgi.namespace}/zephyr: InService: 1/1 instances ready.\n"


def test_a_prompt_is_not_sent_where_nothing_serves(tgi: Plugin) -> None:
    tgi.apply("zephyr")
    tgi.report("zephyr", STALLED, sageMaker={"endpointName": ENDPOINT})
    code, out, err = tgi("chat", "zephyr", "Hello!")
    assert (code, out) == (ExitCode.FAILED, "")
    assert err.startswith(
        f"kubectl tgi: {tgi.namespace}/zephyr is not accepting requests: QuotaExceeded: The quota is 0."
    )


def test_version_shows_client_operator_and_crd(tgi: Plugin) -> None:
    labels = {"app.kubernetes.io/name": "tgi-operator", "app.kubernetes.io/version": "0.0.9"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "operator", "image": "tgi-operator:0.0.9"}]},
    }
    deployment = {
        "metadata": {"name": "tgi-operator", "labels": labels},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }
    path = f"/apis/apps/v1/namespaces/{tgi.namespace}/deployments"
    tgi.api.request("POST", path, deployment)
    code, out, err = tgi("version")
    tgi.api.request("DELETE", f"{path}/tgi-operator")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"Client: {__version__} (tgi-operator.dev/v1alpha1)",
        f"Operator: 0.0.9 ({tgi.namespace}/tgi-operator, 0/2 ready, tgi-operator:0.0.9)",
        "CRD: tgiendpoints.tgi-operator.dev, v1alpha1",
    ]
    found = json.loads(tgi("version", "-o", "json")[1])
    assert found["crd"]["versions"] == ["v1alpha1"]


def test_version_without_a_cluster_shows_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert plugin.main(["version"]) == ExitCode.FAILED
    out, err = capsys.readouterr()
    assert out == f"Client: {__version__} (tgi-operator.dev/v1alpha1)\n"
    assert "no Kubernetes cluster" in err


def test_what_a_user_is_not_allowed_to_read_is_named(tgi: Plugin, control_plane: ControlPlane) -> None:
    tgi.apply("zephyr")
    role = {
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": ["tgi-operator.dev"], "resources": ["tgiendpoints"], "verbs": ["get"]}],
    }
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{tgi.namespace}"
    tgi.api.request("POST", f"{rbac}/roles", role)
    account = {"kind": "ServiceAccount", "namespace": tgi.namespace, "name": "reader"}
    reference = {"kind": "Role", "apiGroup": "rbac.authorization.k8s.io", "name": "reader"}
    binding = {"metadata": {"name": "reader"}, "subjects": [account], "roleRef": reference}
    tgi.api.request("POST", f"{rbac}/rolebindings", binding)
    accounts = f"/api/v1/namespaces/{tgi.namespace}/serviceaccounts"
    tgi.api.request("POST", accounts, {"metadata": {"name": "reader"}})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    token = tgi.api.request("POST", f"{accounts}/reader/token", request)["status"]["token"]
    authority = control_plane.layout.certificate_authority.read_text()
    write_kubeconfig(Path(os.environ["KUBECONFIG"]), tgi.api.url, authority, token)
    code, out, _ = tgi("status", "zephyr", "-n", tgi.namespace)
    assert code == 0
    assert "\nNot shown: Events: 403: events is forbidden" in out


def test_kubectl_finds_the_plugin_and_its_completions(tgi: Plugin) -> None:
    tgi.apply("zephyr")
    folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program("kubectl")), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    shown = run("tgi", "status", "zephyr")
    assert (shown.returncode, shown.stdout.splitlines()[0]) == (0, f"{tgi.namespace}/zephyr: Not observed")
    missing = run("tgi", "wait", "zephyr", "--timeout", "1")
    assert missing.returncode == ExitCode.TIMED_OUT
    assert "status\tExplain the state of a resource" in run("__complete", "tgi", "sta").stdout
    assert "--namespace\t" in run("__complete", "tgi", "status", "--n").stdout
