"""`tgi-operator plan` on any input: a plan, or a line for each error."""

import io
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tgi_operator.cli.main import main

SMALLEST = """\
apiVersion: tgi-operator.dev/v1alpha1
kind: TGIEndpoint
metadata:
  name: falcon-7b
spec:
  model:
    uri: hf://tiiuae/falcon-7b-instruct
  sageMaker:
    region: eu-west-1
    executionRoleARN: arn:aws:iam::111122223333:role/tgi-exec-ml
    instanceType: ml.g5.2xlarge
"""
CALLS = ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
WANTED = "tgi-operator.dev/v1alpha1 TGIEndpoint"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "endpoint.yaml"


def planned(file: Path | str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(["plan", "-f", str(file)])
    return (code, *capsys.readouterr())


def calls(out: str) -> list[str]:
    return [call for document in yaml.safe_load_all(out) for call in document]


def test_a_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SMALLEST)
    code, out, err = planned(file, capsys)
    assert (code, calls(out), err) == (0, CALLS, "")
    assert out.startswith("# default/falcon-7b\nCreateModel:")


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SMALLEST))
    assert calls(planned("-", capsys)[1]) == CALLS
    monkeypatch.setattr("sys.stdin", io.StringIO("kind: ["))
    assert planned("-", capsys)[2].startswith("standard input: invalid YAML: line 1, column 8")


def test_standard_input_that_is_no_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a: \xff"), encoding="utf-8"))
    assert planned("-", capsys) == (1, "", "standard input: not UTF-8 text\n")


def test_a_namespace_left_empty_is_the_default(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SMALLEST.replace("  name: falcon-7b\n", "  name: falcon-7b\n  namespace:\n"))
    assert planned(file, capsys)[1].startswith("# default/falcon-7b\n")


def test_a_folder_is_read_as_kubectl_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.yaml").write_text(SMALLEST)
    (tmp_path / "a.yml").write_text(SMALLEST.replace("falcon-7b\n", "falcon-a\n"))
    (tmp_path / "c.json").write_text('{"apiVersion": "v1", "kind": "Secret"}')
    (tmp_path / "notes.txt").write_text("kind: [")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "d.yaml").write_text("kind: [")
    code, out, err = planned(tmp_path, capsys)
    assert (code, calls(out), err) == (0, CALLS * 2, "")
    assert out.index("# default/falcon-a") < out.index("# default/falcon-7b")


def test_all_that_is_printed_is_one_stream_of_yaml(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pods = SMALLEST.partition("  sageMaker:")[0] + "  inCluster: {}\n"
    refused = SMALLEST.replace("falcon-7b\n", "Falcon\n")
    file.write_text(f"{refused}---\n{SMALLEST}---\nkind: Secret\napiVersion: v1\n---\n{pods}")
    code, out, err = planned(file, capsys)
    assert code == 1
    assert err.startswith("default/Falcon: InvalidSpec: metadata.name: must be")
    found = list(yaml.safe_load_all(out))
    assert [next(iter(document)) for document in found[:3]] == CALLS
    assert {document["kind"] for document in found[3:]} >= {"Service", "Deployment"}


def test_a_list_is_unrolled(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(SMALLEST)] * 2}))
    assert calls(planned(file, capsys)[1]) == CALLS * 2


NINE_OF_EACH = [f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghijkl")]
ALIASES = "a: &a [x]\n" + "".join(NINE_OF_EACH)
MERGES = "a: &a {x: x}\n" + "".join(NINE_OF_EACH).replace("[", "{<<: [").replace("]", "]}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", f"contains no {WANTED} because it is empty"),
        ("---\n---\n", f"contains no {WANTED} because it is empty"),
        (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n",
            f"contains no {WANTED}; found only kustomize.config.k8s.io/v1beta1 Kustomization",
        ),
        ("resources: [a.yaml]\n", f"contains no {WANTED}; found only (no apiVersion) (no kind)"),
        (
            "apiVersion: v1\nkind: Secret\n---\napiVersion: v1\nkind: Secret\n---\napiVersion: v1\nkind: Service\n",
            f"contains no {WANTED}; found only v1 Secret, v1 Service",
        ),
        (
            SMALLEST.replace("v1alpha1", "v1beta1"),
            f"tgi-operator.dev/v1beta1 TGIEndpoint is not supported; use {WANTED}",
        ),
        (
            f"{SMALLEST}---\n{SMALLEST.replace('TGIEndpoint', 'TgiEndpoint')}",
            f"tgi-operator.dev/v1alpha1 TgiEndpoint is not supported; use {WANTED}",
        ),
        ("a: b: c\n", "invalid YAML: line 1, column 5: mapping values are not allowed here"),
        ("a: \0\n", "invalid YAML: unacceptable character #x0000: special characters are not allowed in"),
        (ALIASES, "invalid YAML: line 1, column 1: the document has more than 4,194,304 characters"),
        (MERGES, "invalid YAML: line 1, column 1: the document has more than 4,194,304 characters"),
        (
            f"a: &a {'x' * 2**16}\nb: [{', '.join(['*a'] * 100)}]",
            "invalid YAML: line 1, column 1: the document has more than",
        ),
        (f"a: {'9' * 5000}", "cannot be converted to JSON: Exceeds the limit"),
        ("a: " + " [\n" * 1000, "a value contains itself or is nested too deeply"),
        ("a: &a\n  b: *a\n", "a value contains itself or is nested too deeply"),
        ("- 1\n", "each document must be a Kubernetes object, not [1]"),
        ("text\n", "each document must be a Kubernetes object, not 'text'"),
    ],
)
def test_what_has_nothing_to_plan(file: Path, capsys: pytest.CaptureFixture[str], text: str, words: str) -> None:
    file.write_text(text)
    code, out, err = planned(file, capsys)
    assert (code, out) == (1, "")
    assert err.startswith(f"{file}: {words}")
    assert err.count("\n") == 1


def test_what_cannot_be_read(tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(file, capsys) == (1, "", f"{file}: no such file\n")
    assert planned(tmp_path, capsys) == (1, "", f"{tmp_path}: the folder contains no .yaml, .yml or .json files\n")
    file.write_bytes(b"a: \xff\n")
    assert planned(file, capsys) == (1, "", f"{file}: not UTF-8 text\n")
    assert planned(file / "x.yaml", capsys) == (1, "", f"{file}/x.yaml: Not a directory\n")


def test_everything_wrong_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = SMALLEST.replace("instanceType", "instancetype").replace("eu-west-1", "Ireland")
    file.write_text(f"{wrong}  runtime:\n    version: 3.3\n")
    code, out, err = planned(file, capsys)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        f"default/falcon-7b: InvalidSpec: {problem}"
        for problem in (
            'unknown field "spec.sageMaker.instancetype": did you mean instanceType?',
            "spec.runtime.version: must be a string, not 3.3 (put the value in quotes)",
            (
                "spec.sageMaker.region: must be an AWS region, such as us-east-1 (not an Availability Zone, such as "
                'us-east-1a), not "Ireland"'
            ),
        )
    ]


def test_what_only_the_operator_refuses_has_its_reason_too(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SMALLEST.replace("ml.g5.2xlarge", "ml.p3.2xlarge"))
    code, _, err = planned(file, capsys)
    assert code == 1
    assert err.startswith("default/falcon-7b: UnsupportedInstanceType: spec.sageMaker.instanceType: ml.p3.2xlarge")


@pytest.mark.parametrize("metadata", ["metadata: {}", "metadata: [a]", "metadata: text", "metadata:"])
def test_a_resource_without_a_name(file: Path, capsys: pytest.CaptureFixture[str], metadata: str) -> None:
    file.write_text(SMALLEST.replace("metadata:\n  name: falcon-7b", metadata))
    assert planned(file, capsys) == (1, "", "default/(no name): InvalidSpec: metadata.name is required\n")


def test_a_model_larger_than_the_gpus_is_warned_of(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SMALLEST.replace("falcon-7b-instruct", "falcon-40b-instruct"))
    code, out, err = planned(file, capsys)
    assert code == 0
    assert err == (
        "default/falcon-7b: Warning: the weights of hf://tiiuae/falcon-40b-instruct need about 80 GB at 16-bit "
        "precision, but the GPU memory (1 x A10G) is 24 GB; use a larger spec.sageMaker.instanceType, or set "
        "spec.runtime.quantize\n"
    )
    assert calls(out) == CALLS


def test_a_null_in_the_pod_template_is_warned_of(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = "    podTemplate: {spec: {containers: [{name: tgi, livenessProbe: null}]}}\n"
    file.write_text(SMALLEST.partition("  sageMaker:")[0] + f"  inCluster:\n{template}")
    code, out, err = planned(file, capsys)
    assert code == 0
    assert err == (
        "default/falcon-7b: Warning: spec.inCluster.podTemplate.spec.containers[tgi].livenessProbe: null has no "
        "effect, because kubectl apply and the API server drop it; set spec.inCluster.omitDefaults to "
        "[LivenessProbe]\n"
    )
    assert "livenessProbe" in out
    assert main(["plan", "--strict", "-f", str(file)]) == 1


def test_terms_of_the_node_affinity_are_printed_in_full(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expression = "{key: zone, operator: In, values: [a]}"
    term = f"{{nodeSelectorTerms: [{{matchExpressions: [{expression}]}}]}}"
    affinity = f"{{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {term}}}}}"
    target = f"    gpu: {{products: [NVIDIA-L4]}}\n    podTemplate: {{spec: {{affinity: {affinity}}}}}\n"
    file.write_text(SMALLEST.partition("  sageMaker:")[0] + f"  inCluster:\n{target}")
    code, out, err = planned(file, capsys)
    assert (code, err) == (0, "")
    assert "&id" not in out
    assert out.count("key: zone") == 4, "the label of NVIDIA and three others"


def test_a_size_in_the_name_that_no_model_has_is_passed_over(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SMALLEST.replace("falcon-7b-instruct", f"{'9' * 400}b"))
    code, out, err = planned(file, capsys)
    assert (code, err) == (0, "")
    assert "Warning" not in out


def test_settings_are_those_of_the_variables(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(SMALLEST.replace("eu-west-1", "eu-new-1"))
    start = "default/falcon-7b: UnknownRegion: spec.sageMaker.region: eu-new-1 is not a known AWS region"
    assert planned(file, capsys)[2].startswith(start)
    monkeypatch.setenv("TGI_OPERATOR_AWS_REGIONS", "eu-new-1")
    assert "UnknownRegion" not in planned(file, capsys)[2]


def test_pod_template_is_not_restricted_where_the_setting_is_unrestricted(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host_path = "    podTemplate: {spec: {volumes: [{name: root, hostPath: {path: /}}]}}\n"
    file.write_text(SMALLEST.partition("  sageMaker:")[0] + f"  inCluster:\n{host_path}")
    assert planned(file, capsys)[0] == 1
    monkeypatch.setenv("TGI_OPERATOR_POD_TEMPLATE", "unrestricted")
    code, out, err = planned(file, capsys)
    assert (code, err) == (0, "")
    assert "hostPath" in out


def test_a_network_policy_is_planned_where_the_setting_wants_one(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(SMALLEST.partition("  sageMaker:")[0] + "  inCluster: {}\n")
    assert "kind: NetworkPolicy" not in planned(file, capsys)[1]
    monkeypatch.setenv("TGI_OPERATOR_SERVING_PODS_FROM", "gateway")
    code, out, err = planned(file, capsys)
    assert (code, err) == (0, "")
    assert "kind: NetworkPolicy" in out


def test_endpoint_names_are_not_judged_without_the_administrators_file(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(SMALLEST + "    endpointName: prod-llm\n")
    code, out, err = planned(file, capsys)
    assert (code, calls(out), err) == (0, CALLS, "")


def test_a_setting_that_is_none_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(SMALLEST)
    monkeypatch.setenv("TGI_OPERATOR_POD_TEMPLATE", "free")
    code, out, err = planned(file, capsys)
    assert (code, out) == (2, "")
    assert err.startswith("tgi-operator: --pod-template (TGI_OPERATOR_POD_TEMPLATE) is 'free': ")


@pytest.mark.parametrize("backend", ["SageMaker", "pods"])
def test_a_secret_is_shown_as_a_reference(backend: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = {"valueFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}}
    resource = yaml.safe_load(SMALLEST)
    resource["spec"]["runtime"] = {"env": [{"name": "HTTPS_PROXY", **reference}]}
    if backend == "pods":
        resource["spec"]["inCluster"] = {}
        del resource["spec"]["sageMaker"]
    file.write_text(yaml.safe_dump(resource))
    code, out, err = planned(file, capsys)
    assert (code, err) == (0, "")
    if backend == "pods":
        assert {"name": "HTTPS_PROXY", **reference} in [
            variable
            for document in yaml.safe_load_all(out)
            if document["kind"] == "Deployment"
            for variable in document["spec"]["template"]["spec"]["containers"][0]["env"]
        ]
    else:
        (model,) = [document["CreateModel"] for document in yaml.safe_load_all(out) if "CreateModel" in document]
        assert model["PrimaryContainer"]["Environment"]["HTTPS_PROXY"] == "(key url of Secret proxy)"
