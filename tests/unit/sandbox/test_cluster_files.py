"""Nodes, credentials and command lines of the control plane."""

import json
import re
import ssl
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tgi_sandbox.cluster import components, ports, stages
from tgi_sandbox.cluster.authority import Authority, Purpose
from tgi_sandbox.cluster.components import NETWORK
from tgi_sandbox.cluster.credentials import write_kubeconfig, write_private
from tgi_sandbox.cluster.layout import Layout, Ports
from tgi_sandbox.cluster.nodes import build_node
from tgi_sandbox.cluster.ports import free_ports, is_listening

_PORTS = Ports(1, 2, 3, 4, 5, 6, 7, 8)


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


def test_nodes_and_their_pods_have_addresses_of_their_own() -> None:
    nodes = [build_node(f"gpu-{number}", "g6.xlarge", number=number) for number in (1, 2, 300)]
    assert [node["status"]["addresses"][0]["address"] for node in nodes] == ["10.0.0.1", "10.0.0.2", "10.0.1.44"]
    assert [node["spec"]["podCIDRs"] for node in nodes] == [
        ["fd00::1:0/112", "10.128.16.0/20"],
        ["fd00::2:0/112", "10.128.32.0/20"],
        ["fd00::12c:0/112", "10.146.192.0/20"],
    ]


def test_stages_have_names_of_their_own() -> None:
    found = list(yaml.safe_load_all(stages.render()))
    assert len({stage["metadata"]["name"] for stage in found}) == len(found)
    assert {stage["kind"] for stage in found} == {"Stage"}


def test_every_stage_of_a_pod_is_one_that_the_decision_names() -> None:
    found = yaml.safe_load_all(stages.render())
    names = {stage["metadata"]["name"] for stage in found if stage["spec"]["resourceRef"]["kind"] == "Pod"}
    decision = (Path(stages.__file__).with_name("pods.jq")).read_text()
    assert {f"pod-{answer}" for answer in re.findall(r'(?:then|else) "([a-z-]+)"', decision)} >= names


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


def test_certificate_is_trusted_by_who_trusts_its_authority(tmp_path: Path) -> None:
    authority = Authority()
    names = ["one.default.svc", "two.default.svc", "127.0.0.1"]
    authority.issue(tmp_path / "server.pem", names, [Purpose.SERVER])
    assert stat.S_IMODE((tmp_path / "server.pem").stat().st_mode) == 0o600
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tmp_path / "server.pem")
    for name in names:
        _shake_hands(server, ssl.create_default_context(cadata=authority.certificate), name)
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        _shake_hands(server, ssl.create_default_context(cadata=Authority().certificate), "two.default.svc")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _shake_hands(server, ssl.create_default_context(cadata=authority.certificate), "three.default.svc")


def test_certificate_serves_its_purpose_alone(tmp_path: Path) -> None:
    authority = Authority()
    authority.issue(tmp_path / "client.pem", ["client"], [Purpose.CLIENT])
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tmp_path / "client.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        _shake_hands(server, ssl.create_default_context(cadata=authority.certificate), "client")


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """Connect a client to a server, without a network."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for side in sides * 2:
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()


@pytest.mark.parametrize("component", [name for name in components.WITH_KEDA if name != NETWORK])
def test_every_component_listens_on_loopback_alone(tmp_path: Path, component: str) -> None:
    flags = components.flags(component, Layout(tmp_path), _PORTS, components.WITH_KEDA)
    on_loopback = any("127.0.0.1" in flag for flag in flags)
    assert on_loopback or "--secure-port=0" in flags


def test_pods_need_no_service_account_where_nobody_creates_it(tmp_path: Path) -> None:
    flag = "--disable-admission-plugins=ServiceAccount"
    assert flag in components.flags("kube-apiserver", Layout(tmp_path), _PORTS, components.CORE)
    assert flag not in components.flags("kube-apiserver", Layout(tmp_path), _PORTS, components.ALL)


def test_api_server_asks_for_the_network_only_where_there_is_one(tmp_path: Path) -> None:
    flag = f"--egress-selector-config-file={tmp_path / 'egress.json'}"
    assert flag in components.flags("kube-apiserver", Layout(tmp_path), _PORTS, components.ALL)
    assert flag not in components.flags("kube-apiserver", Layout(tmp_path), _PORTS, components.CORE)


def test_network_of_each_folder_has_a_socket_of_its_own(tmp_path: Path) -> None:
    first, second = Layout(tmp_path / "a").network_socket, Layout(tmp_path / "b").network_socket
    assert first != second
    assert first.startswith("@")


def test_port_that_another_process_has_chosen_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_CANDIDATES", range(20_000, 20_004))
    program = (
        "import sys\nfrom tgi_sandbox.cluster import ports\nports._CANDIDATES = range(20_000, 20_002)\n"
        "print(*ports.free_ports(2), flush=True)\nsys.stdin.read()"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        chosen = {int(port) for port in other.stdout.readline().split()}
        assert not chosen & set(ports.free_ports(4))
        other.communicate("")


def test_free_ports_are_distinct_and_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert not any(is_listening(port) for port in ports)
