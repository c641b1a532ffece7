"""Nodes, credentials and command lines of the control plane."""

import json
import stat
from pathlib import Path

import pytest
import yaml

from tgi_sandbox.cluster import components
from tgi_sandbox.cluster.components import Layout, Ports
from tgi_sandbox.cluster.credentials import certificate_authority, write_kubeconfig, write_private
from tgi_sandbox.cluster.nodes import build_node
from tgi_sandbox.cluster.ports import free_ports, is_listening


def test_gpu_node() -> None:
    node = build_node("gpu", "g5.12xlarge")
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    assert node["status"]["allocatable"] == node["status"]["capacity"]
    assert node["metadata"]["labels"]["node.kubernetes.io/instance-type"] == "g5.12xlarge"
    assert node["metadata"]["labels"]["topology.kubernetes.io/region"] == "us-east-1"


def test_cpu_node_has_no_gpu() -> None:
    node = build_node("cpu", "m5.xlarge")
    assert not any("nvidia" in name for name in (*node["status"]["capacity"], *node["metadata"]["labels"]))


def test_unknown_instance_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"t2\.nano is not one of .*g5\.12xlarge"):
        build_node("small", "t2.nano")


def test_stages_have_names_of_their_own() -> None:
    stages = list(yaml.safe_load_all(components.STAGES.read_text()))
    assert len({stage["metadata"]["name"] for stage in stages}) == len(stages)
    assert {stage["kind"] for stage in stages} == {"Stage"}


def test_private_file_is_private_even_where_a_public_one_was(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_kubeconfig_has_one_context(tmp_path: Path) -> None:
    write_kubeconfig(tmp_path / "kubeconfig", "https://127.0.0.1:1", "authority", "secret")
    config = json.loads((tmp_path / "kubeconfig").read_text())
    assert [context["name"] for context in config["contexts"]] == [config["current-context"]]
    assert config["clusters"][0]["cluster"]["certificate-authority-data"] == "YXV0aG9yaXR5"


def test_certificate_authority_is_the_last_certificate(tmp_path: Path) -> None:
    leaf, authority = (f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n" for name in ("leaf", "ca"))
    (tmp_path / "apiserver.crt").write_text(leaf + authority)
    assert certificate_authority(tmp_path / "apiserver.crt") == authority


@pytest.mark.parametrize("component", components.ALL)
def test_every_component_listens_on_loopback_alone(tmp_path: Path, component: str) -> None:
    flags = components.flags(component, Layout(tmp_path), Ports(1, 2, 3, 4), components.ALL)
    on_loopback = any("127.0.0.1" in flag for flag in flags)
    assert on_loopback or "--secure-port=0" in flags


def test_pods_need_no_service_account_where_nobody_creates_it(tmp_path: Path) -> None:
    flag = "--disable-admission-plugins=ServiceAccount"
    ports = Ports(1, 2, 3, 4)
    assert flag in components.flags("kube-apiserver", Layout(tmp_path), ports, components.CORE)
    assert flag not in components.flags("kube-apiserver", Layout(tmp_path), ports, components.ALL)


def test_free_ports_are_distinct_and_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert not any(is_listening(port) for port in ports)
