"""The backend with an API server that counts requests: what is read, and when."""

import asyncio
import copy
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tgi_operator.api.identifiers import LABEL_ALLOW_USE
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.incluster.apply import RefusedError
from tgi_operator.backends.incluster.backend import InClusterBackend
from tgi_operator.backends.incluster.decide.steps import Apply
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.incluster.kinds import POD_MONITOR, Object
from tgi_operator.backends.incluster.optional_apis import DISCOVERY_SECONDS
from tgi_operator.backends.keys import Key
from tgi_operator.backends.plans.verdicts import was_available
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.intake import Reduce
from tgi_operator.kube import APIError, Secret
from tgi_operator.settings import Settings
from unit.operator.incluster.given import (
    CACHED,
    FETCHER,
    NOW,
    OWNER,
    TOKEN,
    pod,
    resource,
    spec,
    unschedulable,
)

KEY = Key(OWNER.namespace, OWNER.name)
NODES: list[Object] = [
    {
        "kind": "Node",
        "metadata": {"name": f"gpu-{number}", "labels": {"pool": "gpu", "kubernetes.io/arch": "amd64"}},
        "status": {
            "allocatable": {
                "nvidia.com/gpu": "1",
                "cpu": "4",
                "memory": "16Gi",
                "ephemeral-storage": "100Gi",
                "pods": "110",
            }
        },
    }
    for number in range(150)
]


USED = pod("of-others", "0123456789", owner=Owner("c-1", "others", "falcon", "u-9"))


@dataclass
class APIServer:
    """Stores applied objects. `reads` are the requests, except those by name for an object that does not exist."""

    objects: dict[str, Object] = field(default_factory=dict)
    secrets: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    labelled: dict[str, Mapping[str, str]] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    on_nodes: dict[str, list[Object]] = field(default_factory=dict)
    nodes: list[Object] = field(default_factory=lambda: NODES)
    pods: int | None = None
    """How many pods the API server counts in the cluster: None for one pod, 0 if it does not count them."""
    version: int = 0

    def _fail(self, path: str) -> None:
        status = next((status for part, status in self.errors.items() if part in path), None)
        if status is not None:
            raise APIError(status, f"refused: {TOKEN}")

    async def secret(self, namespace: str, name: str) -> Secret | None:
        self._fail("secrets")
        data = self.secrets.get(f"{namespace}/{name}")
        return None if data is None else Secret({LABEL_ALLOW_USE: "true"}, data)

    async def labels(self, path: str) -> Mapping[str, str] | None:
        self.reads.append(path)
        self._fail(path)
        return self.labelled.get(path.removeprefix("/api/v1/namespaces/ml/"))

    async def get(self, path: str) -> Object | None:
        self._fail(path)
        return self.objects.get(path)

    async def items(self, path: str, **selectors: str) -> list[Object]:
        self.reads.append(f"{path} {' '.join(selectors.values())}".strip())
        self._fail(path)
        if path == "/api/v1/nodes":
            return self.nodes
        if path == "/api/v1/pods":
            node = selectors.get("fieldSelector", "").removeprefix("spec.nodeName=")
            on = [node] if node else [each["metadata"]["name"] for each in self.nodes]
            return [] if "labelSelector" in selectors else [pod for name in on for pod in self._on(name)]
        return [body for name, body in self.objects.items() if name.startswith(f"{path}/")]

    def _on(self, node: str) -> Iterator[Object]:
        """Yield the pods on a node: one of others by default."""
        for each in self.on_nodes.get(node, [USED]):
            yield {**each, "spec": each["spec"] | {"nodeName": node}}

    async def reduced(self, path: str, reduce: Reduce, **selectors: str) -> AsyncIterator[Object]:
        for body in await self.items(path, **selectors):
            left = reduce(body)
            if left is not None:
                yield left

    async def pages(self, path: str, reduce: Reduce, **selectors: str) -> AsyncIterator[Object]:
        found = [body async for body in self.reduced(path, reduce, **selectors)]
        metadata: Object = {"resourceVersion": str(self.version)}
        if selectors.get("limit") == "1" and self.pods is not None:
            metadata["continue"] = "more"
            metadata |= {"remainingItemCount": self.pods - 1} if self.pods else {}
        yield {"metadata": metadata, "items": found}

    async def watch(self, path: str, version: str, reduce: Reduce, **selectors: str) -> AsyncGenerator[Object, None]:
        await asyncio.Event().wait()
        yield {}

    async def apply(self, path: str, manifest: Object, manager: str) -> Object:
        self._fail(path)
        self.version += 1
        metadata = {"uid": f"u-{self.version}", "generation": 1, "resourceVersion": str(self.version)}
        metadata["creationTimestamp"] = rfc3339(NOW)
        self.objects[path] = {**manifest, "metadata": manifest["metadata"] | metadata, "status": {}}
        return self.objects[path]

    async def delete(self, path: str, uid: str) -> None:
        self._fail(path)
        del self.objects[path]

    async def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        self.reads.append(f"log of {pod}")
        self._fail("log")
        return f"{TOKEN[8:]} {'.' * 256} 12.5 of 15.0 GB {TOKEN}"

    def complete(self, kind: str = "jobs") -> Object:
        (job,) = (body for path, body in self.objects.items() if f"/{kind}/" in path)
        self.version += 1
        job["metadata"]["resourceVersion"] = str(self.version)
        job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
        return job


@pytest.fixture
def server() -> APIServer:
    return APIServer()


@pytest.fixture
def changed() -> list[Key]:
    return []


@pytest.fixture
def backend(server: APIServer, changed: list[Key]) -> InClusterBackend:
    settings = Settings(image=FETCHER, node_wait_seconds=0)
    return InClusterBackend(server, settings, changed.append, lambda _: True, lambda: NOW)


async def reconcile(backend: InClusterBackend, wanted: Resource) -> Resource:
    """Observe, plan and apply once; return the resource with the new status."""
    situation = await backend.observe(KEY, wanted)
    plan = backend.plan(situation)
    for step in (*plan.steps, *plan.collection):
        await backend.apply(situation, step)
    return replace(wanted, status=plan.status)


def reason(shown: Resource) -> str:
    return next(each.reason for each in shown.status.conditions if each.type == "Ready")


def running_fetcher(server: APIServer) -> Object:
    job = next(body for path, body in server.objects.items() if "/jobs/" in path)
    found = pod("f", None, containerStatuses=[])
    found["metadata"] |= {"resourceVersion": "99"}
    found["metadata"]["labels"] |= {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    return found


async def surged(backend: InClusterBackend, server: APIServer, **in_cluster: Any) -> Resource:
    """Return a resource whose new pod does not fit on any node beside the old one, which runs on node gpu-120."""
    shown = await reconcile(backend, resource(spec(**in_cluster)))
    (deployment,) = (body for path, body in server.objects.items() if "/deployments/" in path)
    old = pod("old", names.revision(deployment["spec"]["template"]))
    old["spec"]["nodeName"] = "gpu-120"
    server.on_nodes["gpu-120"] = [old]
    backend.seen(versioned(server, old))
    other = {"runtime": {"maxTotalTokens": 9}}
    shown = await reconcile(backend, replace(resource(spec(other, **in_cluster), shown.status), generation=2))
    (deployment,) = (body for path, body in server.objects.items() if "/deployments/" in path)
    backend.seen(versioned(server, unschedulable("new", names.revision(deployment["spec"]["template"]))))
    return shown


def versioned(server: APIServer, body: Object) -> Object:
    server.version += 1
    body["metadata"]["resourceVersion"] = str(server.version)
    return body


def replacement(shown: Resource) -> str | None:
    assert shown.status.in_cluster is not None
    return shown.status.in_cluster.replacement


COUNT = "/api/v1/pods 1"


@pytest.mark.parametrize(
    ("pods", "reads"),
    [
        pytest.param(3749, [COUNT, "/api/v1/pods"], id="one list takes as many requests as nodes, less one"),
        pytest.param(3750, [COUNT, *[f"/api/v1/pods spec.nodeName=gpu-{number}" for number in range(150)]], id="more"),
        pytest.param(0, [COUNT, *[f"/api/v1/pods spec.nodeName=gpu-{number}" for number in range(150)]], id="unknown"),
    ],
)
async def test_pods_of_all_suitable_nodes_are_read_by_the_fewest_requests(
    pods: int, reads: list[str], server: APIServer, backend: InClusterBackend
) -> None:
    server.pods = pods
    shown = await surged(backend, server)
    await reconcile(backend, shown)
    assert server.reads == ["/api/v1/nodes kubernetes.io/arch=amd64", *reads]


@pytest.mark.parametrize("pods", [200, 10_000])
async def test_free_gpu_is_seen_on_any_node(pods: int, server: APIServer, backend: InClusterBackend) -> None:
    server.pods = pods
    shown = await surged(backend, server)
    server.on_nodes["gpu-149"] = []
    shown = await reconcile(backend, shown)
    assert (reason(shown), replacement(shown)) == (Reason.UNSCHEDULABLE, "Surge")


async def test_few_nodes_are_read_without_a_count(server: APIServer, backend: InClusterBackend) -> None:
    server.nodes = NODES[115:125]
    shown = await surged(backend, server)
    await reconcile(backend, shown)
    assert COUNT not in server.reads
    assert len(server.reads) == 11


async def test_nodes_are_read_only_when_a_new_pod_fits_nowhere(server: APIServer, backend: InClusterBackend) -> None:
    shown = await surged(backend, server, nodeSelector={"pool": "gpu"})
    assert (server.reads, replacement(shown)) == ([], "Surge")
    shown = await reconcile(backend, shown)
    assert server.reads == ["/api/v1/nodes kubernetes.io/arch=amd64,pool=gpu", COUNT, "/api/v1/pods"]
    assert replacement(shown) == "InPlace"
    await reconcile(backend, shown)
    assert len(server.reads) == 3, "once"


async def test_old_pod_serves_on_where_its_node_does_not_suit_the_new_one(
    server: APIServer, backend: InClusterBackend
) -> None:
    shown = await surged(backend, server)
    server.on_nodes = {}
    shown = await reconcile(backend, shown)
    assert (reason(shown), replacement(shown)) == (Reason.UNSCHEDULABLE, "Surge")


@pytest.mark.parametrize("status", [400, 403])
async def test_no_pod_ends_where_nodes_cannot_be_read(
    status: int, server: APIServer, backend: InClusterBackend
) -> None:
    shown = await surged(backend, server)
    server.errors["nodes"] = status
    shown = await reconcile(backend, shown)
    assert (reason(shown), replacement(shown)) == (Reason.UNSCHEDULABLE, "Surge")


async def test_progress_of_the_running_job_is_read_without_the_token(
    server: APIServer, backend: InClusterBackend
) -> None:
    server.secrets["ml/hub"] = {"token": TOKEN.encode()}
    gated = {"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}}
    wanted = resource(spec(gated, **CACHED))
    await reconcile(backend, wanted)
    await reconcile(backend, wanted)
    assert server.reads == [], "no pod runs"
    backend.seen(running_fetcher(server))
    shown = await reconcile(backend, wanted)
    assert server.reads == ["log of f"]
    text = str(shown.status)
    assert "12.5 of 15.0 GB" in text
    assert TOKEN not in text
    server.errors["log"] = 500
    assert reason(await reconcile(backend, wanted)) == Reason.FETCHING_WEIGHTS


async def test_secret_that_comes_back_is_gone_from_the_status(server: APIServer, backend: InClusterBackend) -> None:
    gated = {"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}}
    wanted = resource(spec(gated))
    shown = await reconcile(backend, wanted)
    assert reason(shown) == Reason.SECRET_NOT_FOUND
    assert backend.plan(await backend.observe(KEY, wanted)).after == 30
    server.secrets["ml/hub"] = {"token": TOKEN.encode()}
    shown = await reconcile(backend, shown)
    assert reason(shown) == Reason.CREATING
    assert TOKEN not in str(server.objects)


async def test_secret_that_cannot_be_read_is_an_error_of_the_api_server(
    server: APIServer, backend: InClusterBackend
) -> None:
    gated = {"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}}
    server.errors["secrets"] = 403
    with pytest.raises(APIError):
        await backend.observe(KEY, resource(spec(gated)))


async def test_deletion_reads_no_secret_and_no_spec(server: APIServer, backend: InClusterBackend) -> None:
    shown = await reconcile(backend, resource(spec(**CACHED)))
    server.errors["secrets"] = 403
    problem = Problem(Reason.INVALID_SPEC, "spec.model: no")
    gone = replace(shown, deleting=True, spec=None, problem=problem)
    plan = backend.plan(await backend.observe(KEY, gone))
    assert plan.finished
    assert [step.body["kind"] for step in plan.steps if not isinstance(step, Apply)] == ["PersistentVolumeClaim"]
    retained = replace(gone, fields={"deletionPolicy": "Retain"})
    assert backend.plan(await backend.observe(KEY, retained)).steps == ()


async def test_deletion_ends_although_the_permissions_went_first(server: APIServer, backend: InClusterBackend) -> None:
    """The namespace is being deleted, and its RoleBinding is already deleted."""
    shown = await reconcile(backend, resource(spec(**CACHED)))
    server.errors = {"persistentvolumeclaims": 403, "secrets": 403}
    plan = backend.plan(await backend.observe(KEY, replace(shown, deleting=True)))
    assert (plan.finished, plan.steps) == (True, ())
    (note,) = plan.notes
    assert note.reason == Reason.LEFT_ALONE
    assert "PersistentVolumeClaim ml/zephyr-7b-weights: not deleted" in note.message
    server.errors = {"persistentvolumeclaims": 500}
    with pytest.raises(APIError):
        await backend.observe(KEY, replace(shown, deleting=True))


async def test_spec_that_the_types_refuse_is_reported_and_what_serves_is_counted(
    server: APIServer, backend: InClusterBackend
) -> None:
    shown = await reconcile(backend, resource(spec({"replicas": 2}, **CACHED)))
    problem = Problem(Reason.INVALID_SPEC, "spec.replicas: must be a number; write one")
    shown = await reconcile(backend, replace(shown, spec=None, problem=problem))
    assert reason(shown) == Reason.INVALID_SPEC
    assert shown.status.desired_replicas == 2
    assert shown.status.in_cluster is not None
    assert shown.status.in_cluster.claim_name == "zephyr-7b-weights"


@pytest.mark.parametrize("path", ["deployments", "services"])
async def test_object_that_is_not_owned_is_left_alone_until_it_is_gone(
    path: str, server: APIServer, backend: InClusterBackend
) -> None:
    group = "/apis/apps/v1" if path == "deployments" else "/api/v1"
    name = f"{group}/namespaces/ml/{path}/zephyr-7b"
    server.objects[name] = {"kind": "x", "metadata": {"name": OWNER.name, "namespace": "ml", "labels": {}}}
    shown = await reconcile(backend, resource(spec()))
    assert reason(shown) == Reason.NOT_OWNED
    assert list(server.objects) == [name]
    del server.objects[name]
    assert reason(await reconcile(backend, shown)) == Reason.CREATING


@pytest.mark.parametrize(
    ("listed", "watched"), [(None, False), ((), True), (("gateway",), True), (("*",), True)], ids=str
)
async def test_network_policies_are_watched_and_listed_only_where_the_setting_is_set(
    listed: tuple[str, ...] | None, watched: bool, server: APIServer
) -> None:
    settings = Settings(image=FETCHER, serving_pods_from=listed)
    backend = InClusterBackend(server, settings, lambda _: None, lambda _: True, lambda: NOW)
    kinds = await backend.start(())
    await backend.close()
    assert ("NetworkPolicy" in [kind.name for kind in kinds]) is watched
    assert any("networkpolicies" in read for read in server.reads) is watched


async def test_object_that_the_watch_has_not_reported_is_not_made_again(
    server: APIServer, backend: InClusterBackend
) -> None:
    shown = await reconcile(backend, resource(spec()))
    backend.forget(KEY)
    assert backend.plan(await backend.observe(KEY, shown)).steps == ()


async def test_children_of_a_resource_that_is_gone_are_dropped(server: APIServer, backend: InClusterBackend) -> None:
    await reconcile(backend, resource(spec()))
    server.objects.clear()
    backend.forget(KEY)
    assert (await backend.observe(KEY, resource(spec()))).children == {}


@pytest.mark.parametrize(("status", "refused"), [(403, True), (422, True), (500, False), (409, False)])
async def test_refusal_is_shown_and_tried_again_slowly(
    status: int, refused: bool, server: APIServer, backend: InClusterBackend
) -> None:
    server.secrets["ml/hub"] = {"token": TOKEN.encode()}
    wanted = resource(spec({"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}}))
    situation = await backend.observe(KEY, wanted)
    server.errors["deployments"] = status
    (step,) = (
        step
        for step in backend.plan(situation).steps
        if isinstance(step, Apply) and step.manifest["kind"] == "Deployment"
    )
    with pytest.raises(RefusedError if refused else APIError) as found:
        await backend.apply(situation, step)
    remedy = backend.remedy(wanted, situation, found.value, 1)
    assert (remedy is not None) is refused
    if remedy is not None:
        assert remedy.status is not None
        assert remedy.after == 300
        assert reason(replace(wanted, status=remedy.status)) == Reason.REJECTED_BY_KUBERNETES
        assert TOKEN not in str(remedy.status)
        assert was_available(remedy.status) == "False"


async def test_all_pods_share_a_lane(backend: InClusterBackend) -> None:
    assert backend.lane({"inCluster": {}}) == backend.lane({}) == "pods"


async def test_what_vanished_before_the_watch_began_is_found(
    server: APIServer, backend: InClusterBackend, changed: list[Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    await reconcile(backend, resource(spec()))
    await backend.start(())
    server.objects.clear()
    sleeps: list[float] = []
    wait = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds != DISCOVERY_SECONDS:
            sleeps.append(seconds)
        await wait(0 if seconds == 60 else 3600)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    while len(sleeps) < 2:
        await wait(0)
    await backend.close()
    assert sleeps == [60, 3600]
    assert set(changed) == {KEY}


async def test_custom_metrics_are_looked_for_again_after_a_while(
    server: APIServer, backend: InClusterBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    scaled: dict[str, Any] = spec({"autoscaling": {"maxReplicas": 2}})
    assert not (await backend.observe(KEY, resource(scaled))).means.custom_metrics
    server.objects["/apis/custom.metrics.k8s.io"] = {"kind": "APIGroup"}
    assert not (await backend.observe(KEY, resource(scaled))).means.custom_metrics
    monkeypatch.setattr(loop, "time", lambda: start + 61)
    assert (await backend.observe(KEY, resource(scaled))).means.custom_metrics


PRIVILEGED: dict[str, Any] = {"spec": {"containers": [{"name": "tgi", "securityContext": {"privileged": True}}]}}
BORROWED: dict[str, Any] = {
    "serviceAccountName": "deployer",
    "podTemplate": {"spec": {"imagePullSecrets": [{"name": "registry"}]}},
}


async def test_what_the_pods_use_must_be_labelled_and_is_read_once(
    server: APIServer, backend: InClusterBackend
) -> None:
    wanted = resource(spec(**BORROWED, **CACHED))
    cases: tuple[tuple[dict[str, Mapping[str, str]], str], ...] = (
        ({}, "ServiceAccount ml/deployer does not exist"),
        (
            {"serviceaccounts/deployer": {}},
            "kubectl label serviceaccount deployer -n ml tgi-operator.dev/allow-use=true",
        ),
        ({"serviceaccounts/deployer": {LABEL_ALLOW_USE: "false"}}, "spec.inCluster.serviceAccountName: ServiceAccount"),
        ({"serviceaccounts/deployer": {LABEL_ALLOW_USE: "true"}}, "Secret ml/registry does not exist"),
    )
    for labelled, missing in cases:
        server.labelled = labelled
        shown = await reconcile(backend, wanted)
        assert reason(shown) == Reason.USE_NOT_ALLOWED
        assert missing in str(shown.status)
        assert server.objects == {}
    server.labelled["secrets/registry"] = {LABEL_ALLOW_USE: "true"}
    server.reads.clear()
    assert reason(await reconcile(backend, wanted)) == Reason.FETCHING_WEIGHTS
    assert sorted(server.reads) == [
        "/api/v1/namespaces/ml/secrets/registry",
        "/api/v1/namespaces/ml/serviceaccounts/deployer",
    ]


async def test_a_pod_template_that_reaches_beyond_the_pod_makes_nothing(
    server: APIServer, backend: InClusterBackend
) -> None:
    wanted = resource(spec(podTemplate=PRIVILEGED))
    shown = await reconcile(backend, wanted)
    assert reason(shown) == Reason.POD_NOT_RESTRICTED
    assert backend.plan(await backend.observe(KEY, wanted)).after is None, "only another spec ends it"
    assert server.objects == {}


async def test_an_administrator_opens_both(server: APIServer) -> None:
    settings = Settings(image=FETCHER, pod_template="unrestricted", require_labels="off")
    opened = InClusterBackend(server, settings, lambda _: None, lambda _: True, lambda: NOW)
    borrowed = {**BORROWED, "podTemplate": {"spec": {**PRIVILEGED["spec"], "imagePullSecrets": [{"name": "registry"}]}}}
    assert reason(await reconcile(opened, resource(spec(**borrowed)))) == Reason.CREATING
    assert server.reads == []


@pytest.mark.parametrize("delivered", ["by the watch", "by the list at the start"])
async def test_objects_that_are_older_than_their_resource_are_listed_once(
    server: APIServer, changed: list[Key], delivered: str
) -> None:
    known: set[Key] = set()
    backend = InClusterBackend(server, Settings(image=FETCHER), changed.append, known.__contains__, lambda: NOW)
    stray = pod("p1", None)
    stray["metadata"]["resourceVersion"] = "7"
    if delivered == "by the watch":
        await backend.start(())
        assert not backend.wants(stray)
        backend.seen(stray)
    server.objects[f"/api/v1/namespaces/{KEY.namespace}/pods/p1"] = stray
    if delivered != "by the watch":
        await backend.start((KEY.namespace,))
    assert changed == []
    known.add(KEY)
    server.reads.clear()
    situation = await backend.observe(KEY, resource(spec()))
    assert ("Pod", "p1") in situation.children
    assert server.reads.count(f"/api/v1/namespaces/{KEY.namespace}/pods tgi-operator.dev/name={KEY.name}") == 1
    server.reads.clear()
    await backend.observe(KEY, resource(spec()))
    assert server.reads == []
    await backend.close()


async def test_access_modes_of_a_pvc_that_the_spec_names_are_read_once(
    server: APIServer, backend: InClusterBackend
) -> None:
    wanted = resource(spec(cache={"claimName": "shared"}))
    path = "/api/v1/namespaces/ml/persistentvolumeclaims/shared"
    situation = await backend.observe(KEY, wanted)
    assert not situation.in_place_only, "it does not exist yet"
    server.objects[path] = {"kind": "PersistentVolumeClaim", "spec": {"accessModes": ["ReadWriteOnce"]}}
    assert (await backend.observe(KEY, wanted)).in_place_only
    server.objects[path]["spec"]["accessModes"] = ["ReadWriteMany"]
    assert (await backend.observe(KEY, wanted)).in_place_only, "they are immutable"
    asked = replace(wanted, request="1")
    assert not (await backend.observe(KEY, asked)).in_place_only


NO_TOKEN = {"automountServiceAccountToken": False}


def replica_set(revision: str, owner: str, number: int = 1, **spec: Any) -> Object:
    labels = {names.LABEL_NAME: OWNER.name, names.LABEL_REVISION: revision, "pod-template-hash": "5d5f"}
    template = {
        "metadata": {"labels": labels, "creationTimestamp": None},
        "spec": {"containers": [], **NO_TOKEN} | spec,
    }
    annotations = {"deployment.kubernetes.io/revision": str(number)}
    metadata = {"labels": labels, "annotations": annotations, "ownerReferences": [{"uid": owner}]}
    return {"metadata": metadata, "spec": {"template": template}}


@pytest.mark.parametrize(
    ("found", "usable"),
    [
        ([], False),
        ([("", {})], True),
        ([("another-owner", {})], False),
        ([("", PRIVILEGED["spec"])], False),
        ([("another-owner", {}), ("", {})], True),
        ([("", {"dnsPolicy": "None"}), ("", {})], True),
    ],
    ids=["none", "its own", "of another user", "more than the settings allow", "both", "two of its own"],
)
async def test_template_of_a_rollback_is_of_the_deployment_and_allowed(
    server: APIServer, backend: InClusterBackend, found: list[tuple[str, dict[str, Any]]], usable: bool
) -> None:
    wanted = resource(spec({"rollout": {"progressDeadlineSeconds": 60}}))
    shown = await reconcile(backend, wanted)
    (deployment,) = (body for path, body in server.objects.items() if "/deployments/" in path)
    last = shown.status.model_copy(update={"current_revision": "0123456789"})
    deployment["status"] = {
        "observedGeneration": 1,
        "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
    }
    backend.seen(versioned(server, deployment))
    for number, (owner, pod_spec) in enumerate(found):
        path = f"/apis/apps/v1/namespaces/ml/replicasets/{number}"
        uid = owner or deployment["metadata"]["uid"]
        server.objects[path] = replica_set("0123456789", uid, number, **pod_spec)
    later = last.model_copy(
        update={"in_cluster": last.in_cluster.model_copy(update={"last_progress_time": "2026-01-31T11:00:00Z"})}
        if last.in_cluster
        else {}
    )
    situation = await backend.observe(KEY, replace(wanted, status=later))
    assert bool(situation.last_good) is usable
    if usable:
        assert situation.last_good is not None
        assert "pod-template-hash" not in situation.last_good["metadata"]["labels"]
        assert situation.last_good["spec"].get("dnsPolicy") != "None", (
            "an edit of another user, before the last rollout"
        )


async def test_object_that_a_webhook_rewrites_is_applied_once_and_follows_the_spec(
    server: APIServer, backend: InClusterBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is always that of a mirror, so that the API server never has what was applied."""
    applies: list[Object] = []

    async def rewrite(path: str, manifest: Object, manager: str) -> Object:
        applies.append(manifest)
        made = copy.deepcopy(manifest)
        if manifest["kind"] == "Deployment":
            made["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror/tgi"
        before = server.objects.get(path)
        if before is not None and {**before, "metadata": made["metadata"], "status": {}} == {**made, "status": {}}:
            return before
        stored = await APIServer.apply(server, path, made, manager)
        stored["metadata"]["generation"] = server.version
        return stored

    monkeypatch.setattr(server, "apply", rewrite)
    shown = await reconcile(backend, resource(spec()))
    for _ in range(3):
        shown = await reconcile(backend, shown)
    deployments = [each for each in applies if each["kind"] == "Deployment"]
    assert len(deployments) == 2, "once, and once more to see that it changes nothing"
    shown = await reconcile(backend, replace(resource(spec({"replicas": 3}), shown.status), generation=2))
    assert [each["spec"]["replicas"] for each in applies if each["kind"] == "Deployment"][2:] == [3]


async def test_a_monitor_of_another_user_with_the_same_name_is_left_alone(
    server: APIServer, backend: InClusterBackend
) -> None:
    server.objects[POD_MONITOR.group] = {"resources": [{"name": POD_MONITOR.plural}]}
    path = POD_MONITOR.path(*KEY)
    theirs = {"kind": "PodMonitor", "metadata": {"name": OWNER.name, "namespace": "ml", "labels": {}}}
    server.objects[path] = theirs
    shown = await reconcile(backend, resource(spec()))
    assert reason(shown) == Reason.CREATING
    assert server.objects[path] is theirs
    await backend.close()
