"""The values reach the pods and the objects around them."""

from pathlib import Path

import pytest

from tgi_operator.backends.sagemaker.permissions import Permissions
from tgi_operator.settings import PREFIX
from unit.chart.given import EVERYTHING
from unit.chart.rendering import Object, container, of, rendered


def test_values_get_where_they_belong(everything: list[Object]) -> None:
    pod = of(everything, "Deployment")["spec"]["template"]
    found = container(everything)
    variables = {each["name"]: each["value"] for each in found["env"]}
    assert variables["AWS_REGION"] == "eu-west-1"
    assert variables["HTTPS_PROXY"] == "http://proxy:3128"
    assert found["envFrom"] == EVERYTHING["extraEnvFrom"]
    for name in ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations", "affinity"):
        assert pod["spec"][name] == EVERYTHING[name]
    checksum = pod["metadata"]["annotations"].pop("checksum/service-account")
    assert pod["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9000",
        "a": "b",
    }
    other = {**EVERYTHING, "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "another"}}}
    again = of(rendered(other), "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert again["checksum/service-account"] != checksum, "another role needs other pods"
    assert pod["metadata"]["labels"]["c"] == "d"
    annotations = of(everything, "ServiceAccount")["metadata"]["annotations"]
    assert annotations == EVERYTHING["serviceAccount"]["annotations"]
    (spread,) = pod["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_a_digest_wins_over_the_tag() -> None:
    digest = f"sha256:{'0' * 64}"
    found = container(rendered({"image": {"tag": "1", "digest": digest}}))
    assert found["image"] == f"tgi-operator@{digest}"
    assert {"name": "TGI_OPERATOR_IMAGE", "value": found["image"]} in found["env"]


def test_services_beside_it_are_no_settings() -> None:
    """The kubelet would derive variables from the names of Services, and `tgi-operator-http` would set a setting."""
    assert f"{PREFIX}HTTP_PORT" == "tgi-operator-http".upper().replace("-", "_") + "_PORT"
    assert of(rendered(), "Deployment")["spec"]["template"]["spec"]["enableServiceLinks"] is False


ROLE = "arn:aws:iam::111122223333:role/tgi-exec-ml"


@pytest.mark.parametrize("role", [True, False], ids=["roles", "no roles"])
@pytest.mark.parametrize("names", [["prod-*"], []], ids=["names", "no names"])
def test_what_namespaces_may_use_is_a_file_of_the_operator(tmp_path: Path, role: bool, names: list[str]) -> None:
    values = {"allowedRoles": {"ml": [ROLE]} if role else {}, "allowedEndpointNames": {"team-*": names}}
    objects = rendered(values)
    (variable,) = (each for each in container(objects)["env"] if each["name"] == "TGI_OPERATOR_ALLOWED_ROLES_FILE")
    folder = container(objects)["volumeMounts"][1]["mountPath"]
    assert variable["value"] == f"{folder}/roles.yaml"
    file = tmp_path / "roles.yaml"
    file.write_text(of(objects, "ConfigMap", "tgi-operator-roles")["data"]["roles.yaml"])
    permissions = Permissions(str(file))
    assert permissions.role_problem("ml", ROLE) is None
    assert (permissions.role_problem("dev", ROLE) is None) is not role
    assert (permissions.name_problem("team-a", "prod-1") is None) is bool(names)
    assert permissions.name_problem("ml", "prod-1") is not None


def test_the_role_of_the_node_is_used_only_where_that_is_asked_for() -> None:
    disabled = {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"}
    assert disabled in container(rendered())["env"]
    assert "AWS_EC2_METADATA_DISABLED" not in str(container(rendered({"aws": {"instanceMetadata": True}})))
