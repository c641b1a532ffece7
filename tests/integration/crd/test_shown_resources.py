"""The API server accepts every TGIEndpoint in a document or a shipped example, as written."""

from typing import Any

import pytest
import yaml

from tgi_sandbox.cluster import ControlPlane
from unit.docs.test_manifests import SHOWN


@pytest.mark.parametrize("name", SHOWN)
def test_server_side_dry_run(control_plane: ControlPlane, namespace: str, name: str) -> None:
    resource: dict[str, Any] = yaml.safe_load(yaml.safe_dump(SHOWN[name]))
    resource["metadata"]["namespace"] = namespace
    path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{namespace}/tgiendpoints"
    # Strict: the API server refuses an unknown field instead of dropping it.
    stored = control_plane.api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", resource)
    assert stored["status"] == {"observedGeneration": -1}
    assert ("replicas" in stored["spec"]) == ("replicas" in resource["spec"]), "no default, or Git and scaling disagree"
