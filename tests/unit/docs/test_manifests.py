"""The resources in documents and examples are valid, and the manifests of the operator render."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.cli.input_files import resources
from tgi_operator.cli.plan import planned
from tgi_operator.handlers import STOP_SECONDS
from tgi_operator.leadership import lease
from tgi_operator.settings import Settings
from tgi_sandbox.aws import iam
from unit.chart.rendering import MANIFESTS, Object, container, kinds, kustomized, of, rendered
from unit.docs import pages
from unit.docs.pages import PAGES, ROOT


def _resources() -> Iterator[tuple[str, Object]]:
    for page in PAGES:
        for block in pages.blocks(page):
            if block.language == "yaml":
                yield from ((f"{page.name}: {item['metadata']['name']}", item) for item in resources(block.text))
    for file in (*(MANIFESTS / "examples").glob("*.yaml"), MANIFESTS / "argocd" / "example" / "endpoints.yaml"):
        yield from ((f"{file.name}: {item['metadata']['name']}", item) for item in resources(file.read_text()))


SHOWN = dict(_resources())


@pytest.fixture(scope="module")
def installed() -> list[Object]:
    """Return what `kubectl apply -k manifests` would apply."""
    return kustomized()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_yaml_shown_can_be_read(page: Path) -> None:
    for block in pages.blocks(page):
        if block.language == "yaml":
            for manifest in yaml.safe_load_all(block.text):
                assert "apiVersion" not in manifest or "kind" in manifest, block.text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_chart_takes_all_values_shown(page: Path) -> None:
    for block in pages.blocks(page):
        if block.language == "yaml" and block.text.startswith("# values.yaml"):
            assert rendered(yaml.safe_load(block.text))


def test_the_output_shown_has_the_columns_of_the_definition() -> None:
    definition = yaml.safe_load((ROOT / "crds" / "tgiendpoints.yaml").read_text())
    columns = definition["spec"]["versions"][0]["additionalPrinterColumns"]
    (block,) = (block for block in pages.blocks(ROOT / "README.md", "What you see") if block.language == "console")
    shown = re.split(r"\s{2,}", block.text.splitlines()[1])
    assert shown == ["NAME", *(column["name"].upper() for column in columns if not column.get("priority"))]


def test_there_are_resources() -> None:
    assert len(SHOWN) >= 4


@pytest.mark.parametrize("name", SHOWN)
def test_every_resource_shown_can_work(name: str) -> None:
    documents = list(planned(SHOWN[name], "ml"))
    if "inCluster" in SHOWN[name]["spec"]:
        assert {"Deployment", "Service", "PodDisruptionBudget"} <= {document["kind"] for document in documents}
    else:
        calls = [call for document in documents for call in document]
        assert calls[:3] == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
        assert ("RegisterScalableTarget" in calls) == ("autoscaling" in SHOWN[name]["spec"])


@pytest.mark.parametrize("name", [name for name in SHOWN if "sageMaker" in SHOWN[name]["spec"]])
def test_every_role_shown_is_one_that_the_documented_policy_may_pass(name: str) -> None:
    role = SHOWN[name]["spec"]["sageMaker"]["executionRoleARN"]
    for file in ("operator-policy.json", "operator-policy-strict.json"):
        policy = iam.read(json.loads((MANIFESTS / "iam" / file).read_text()))
        assert policy.allows("iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"})


EXAMPLES = {
    f"{file.name}: {item['metadata']['name']}": item
    for file in sorted((MANIFESTS / "examples").glob("*.yaml"))
    for item in yaml.safe_load_all(file.read_text())
}
POLICIES = [iam.read(json.loads(file.read_text())) for file in sorted((MANIFESTS / "iam").glob("*.json"))]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_in_the_namespace_that_the_documented_policies_cover(name: str) -> None:
    endpoint = names.endpoint_name(Key(EXAMPLES[name]["metadata"]["namespace"], "x"))
    arn = f"arn:aws:sagemaker:us-east-1:111122223333:endpoint/{endpoint}"
    assert all(policy.allows("sagemaker:DescribeEndpoint", arn) for policy in POLICIES)
    elsewhere = arn.replace("/ml-", "/default-")
    assert not any(policy.allows("sagemaker:DescribeEndpoint", elsewhere) for policy in POLICIES)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if "sageMaker" in EXAMPLES[name].get("spec", {})])
def test_every_example_on_sagemaker_is_cheap(name: str) -> None:
    assert EXAMPLES[name]["spec"]["sageMaker"]["instanceType"] in ("ml.g5.xlarge", "ml.g5.2xlarge", "ml.g6.xlarge")
    assert EXAMPLES[name]["spec"].get("replicas", 1) == 1


@pytest.mark.parametrize("name", [name for name in SHOWN if "sageMaker" in SHOWN[name]["spec"]])
def test_every_resource_shown_is_in_one_region(name: str) -> None:
    assert SHOWN[name]["spec"]["sageMaker"]["region"] == "us-east-1"


def test_no_example_can_overwrite_a_secret_that_is_used() -> None:
    secrets = {item["metadata"]["name"]: item for item in EXAMPLES.values() if item["kind"] == "Secret"}
    assert list(secrets) == ["example-without-a-token"]
    used = {item["spec"]["model"].get("tokenSecretRef", {}).get("name") for item in SHOWN.values()}
    assert "hub-token" in used
    assert not used & secrets.keys()
    (example,) = secrets.values()
    assert example["immutable"]
    assert set(example["stringData"].values()) == {""}


def test_what_is_installed_is_complete(installed: list[Object]) -> None:
    assert Counter(item["kind"] for item in installed) == {
        "CustomResourceDefinition": 1,
        "Namespace": 1,
        "ServiceAccount": 1,
        "ClusterRole": 3,
        "ClusterRoleBinding": 1,
        "Role": 1,
        "RoleBinding": 1,
        "Deployment": 1,
        "NetworkPolicy": 1,
        "PodDisruptionBudget": 1,
    }
    assert of(installed, "ServiceAccount")["metadata"]["namespace"] == "tgi-system"


def test_the_rights_are_those_documented(installed: list[Object]) -> None:
    granted: dict[str, list[str]] = {}
    for role in (of(installed, "ClusterRole"), *kinds(installed, "Role")):
        for rule in role["rules"]:
            for resource in rule["resources"]:
                granted.setdefault(resource, []).extend(rule["verbs"])
    documented = {row[0].split(" ")[0]: row[1] for row in pages.table(ROOT / "docs" / "operations.md", "resource")}
    assert {resource: ", ".join(verbs) for resource, verbs in granted.items()} == documented


def test_the_lease_is_the_only_one_it_may_change(installed: list[Object]) -> None:
    (role,) = kinds(installed, "Role")
    assert role["metadata"]["namespace"] == "tgi-system"
    assert [rule["verbs"] for rule in role["rules"] if rule.get("resourceNames") != [lease.NAME]] == [["create"]]


def test_two_pods_take_turns_within_the_grace_period(installed: list[Object]) -> None:
    deployment = of(installed, "Deployment")["spec"]
    assert deployment["replicas"] == 2
    assert {"name": "TGI_OPERATOR_LEADER_ELECTION", "value": "on"} in container(installed)["env"]
    # How long kopf waits for the end, before the kubelet kills it.
    assert deployment["template"]["spec"]["terminationGracePeriodSeconds"] > STOP_SECONDS


def test_the_pod_fits_the_restricted_standard_and_the_settings(installed: list[Object]) -> None:
    pod = of(installed, "Deployment")["spec"]["template"]["spec"]
    operator = container(installed)
    assert {"name": "TGI_OPERATOR_IMAGE", "value": operator["image"]} in operator["env"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert f"USER {pod['securityContext']['runAsUser']}:" in (ROOT / "Dockerfile").read_text()
    assert operator["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["name"] for mount in operator["volumeMounts"]] == ["tmp"]
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}]
    assert [port["containerPort"] for port in operator["ports"]] == [Settings().http_port]
    paths = [operator[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")]
    assert paths == ["/healthz", "/readyz"]


@pytest.mark.parametrize(
    "file",
    sorted(file for folder in ("examples", "policies") for file in (MANIFESTS / folder).iterdir()),
    ids=lambda file: file.name,
)
def test_examples_and_policies_say_what_they_are_for(file: Path) -> None:
    assert file.suffix == ".yaml"
    assert file.read_text().startswith("# ")
