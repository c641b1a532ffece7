"""The command of docs/gitops.md adds the health check to an argocd-cm with other settings."""

import subprocess

import argocd
from tgi_sandbox.cluster import ControlPlane, build

CONFIG = "/api/v1/namespaces/argocd/configmaps"
KEY = "resource.customizations.health.tgi-operator.dev_TGIEndpoint"


def test_other_settings_stay(control_plane: ControlPlane) -> None:
    api = control_plane.api
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "argocd"}})
    theirs = {"url": "https://argocd.example.com"}
    api.request("POST", CONFIG, {"metadata": {"name": "argocd-cm"}, "data": theirs})
    kubectl = build.find(["kubectl"])["kubectl"]
    command = f"{kubectl} --kubeconfig {control_plane.kubeconfig} apply --server-side -k {argocd.MANIFESTS}"
    for _ in range(2):
        subprocess.run(command.split(), check=True, capture_output=True)
    found = api.request("GET", f"{CONFIG}/argocd-cm")
    assert found["data"] == theirs | {KEY: argocd.SCRIPT.read_text()}
    assert found["metadata"]["labels"]["app.kubernetes.io/part-of"] == "argocd"
