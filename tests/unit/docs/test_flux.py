"""The example for Flux: the operator first, then endpoints, which Flux waits for."""

from typing import Any

import yaml

from unit.docs.pages import ROOT

FILE = ROOT / "manifests" / "flux" / "tgi.yaml"


def test_endpoints_come_after_the_operator_and_are_waited_for() -> None:
    found: dict[tuple[str, str], Any] = {
        (manifest["kind"], manifest["metadata"]["name"]): manifest["spec"]
        for manifest in yaml.safe_load_all(FILE.read_text())
    }
    assert set(found) == {
        ("GitRepository", "ml"),
        ("Kustomization", "tgi-operator"),
        ("Kustomization", "tgi-endpoints"),
    }
    operator, endpoints = found["Kustomization", "tgi-operator"], found["Kustomization", "tgi-endpoints"]
    # Beside `manifests`, that folder contains the CRDs that it refers to.
    assert operator["path"] == "./tgi-operator/manifests"
    assert endpoints["dependsOn"] == [{"name": "tgi-operator"}]
    for spec in (operator, endpoints):
        assert spec["sourceRef"] == {"kind": "GitRepository", "name": "ml"}
        assert (spec["wait"], spec["prune"]) == (True, True)
        assert not {"healthChecks", "healthCheckExprs"} & set(spec), "kstatus understands the conditions as they are"
    assert endpoints["deletionPolicy"] == "WaitForTermination"
