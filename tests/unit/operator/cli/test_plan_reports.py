"""The output of `plan`: warnings, the summary, JSON, and annotations of a GitHub workflow."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tgi_operator.cli.main import main
from tgi_operator.cli.plan_reports import Hardware, Result, summary
from tgi_operator.engines.tgi import launcher_options
from unit.docs import pages
from unit.docs.pages import ROOT

SMALLEST: dict[str, Any] = {
    "apiVersion": "tgi-operator.dev/v1alpha1",
    "kind": "TGIEndpoint",
    "metadata": {"name": "falcon-7b"},
    "spec": {
        "model": {"uri": "hf://tiiuae/falcon-7b-instruct"},
        "sageMaker": {
            "region": "eu-west-1",
            "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec-ml",
            "instanceType": "ml.g5.2xlarge",
        },
    },
}


def changed(name: str = "falcon-7b", **spec: Any) -> dict[str, Any]:
    """Return the resource with other fields; None removes one."""
    fields = {key: value for key, value in {**SMALLEST["spec"], **spec}.items() if value is not None}
    return {**SMALLEST, "metadata": {"name": name}, "spec": fields}


def env(**variables: str) -> dict[str, Any]:
    return changed(runtime={"env": [{"name": name, "value": value} for name, value in variables.items()]})


class Plan:
    """`tgi-operator plan` on some resources."""

    def __init__(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file = file
        self._capsys = capsys

    def __call__(self, *manifests: dict[str, Any], options: tuple[str, ...] = ()) -> tuple[int, str, str]:
        self.file.write_text(yaml.safe_dump_all(manifests))
        code = main(["plan", "-f", str(self.file), *options])
        return (code, *self._capsys.readouterr())


@pytest.fixture
def plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Plan:
    return Plan(tmp_path / "endpoint.yaml", capsys)


METRIC = {"type": "ConcurrentRequests", "target": {"averageValue": 5}}
AUTOSCALING = {"minReplicas": 1, "maxReplicas": 4, "metrics": [METRIC]}


@pytest.mark.parametrize(
    ("manifests", "line"),
    [
        ([SMALLEST], "Plan: 3 AWS calls, 1 ml.g5.2xlarge (1 A10G), 0 warnings"),
        ([changed(replicas=2)], "Plan: 3 AWS calls, 2 ml.g5.2xlarge (2 A10G), 0 warnings"),
        (
            [SMALLEST, changed("b", sageMaker={**SMALLEST["spec"]["sageMaker"], "instanceType": "ml.g5.12xlarge"})],
            "Plan: 6 AWS calls, 1 ml.g5.2xlarge (1 A10G), 1 ml.g5.12xlarge (4 A10G), 1 warning",
        ),
        ([env(MAX_BATCH_TOTAL_TOKEN="1")], "Plan: 3 AWS calls, 1 ml.g5.2xlarge (1 A10G), 1 warning"),
        ([SMALLEST, changed("B")], "Plan: 3 AWS calls, 1 ml.g5.2xlarge (1 A10G), 0 warnings, 1 rejected"),
    ],
)
def test_the_summary_is_the_last_line(plan: Plan, manifests: list[dict[str, Any]], line: str) -> None:
    assert plan(*manifests)[1].splitlines()[-1] == f"# {line}"


def test_the_page_shows_the_end_of_a_plan(plan: Plan) -> None:
    last = plan(SMALLEST)[1].splitlines()[-1]
    (block,) = (
        each.text for each in pages.blocks(ROOT / "docs" / "cli.md", "kubectl tgi plan") if each.language == "console"
    )
    assert block == f"$ kubectl tgi plan -f falcon-7b.yaml\n…\n{last}\n"


def test_the_summary_of_what_scales_and_of_pods() -> None:
    scaled = Hardware("ml.g5.2xlarge", "A10G", 1, 1, 4)
    pods = Hardware("pod", "NVIDIA-L4", 2, 3, 3)
    results = [
        Result("f", "a", ({"CreateModel": {}},), hardware=scaled),
        Result("f", "b", ({"kind": "Service"}, {"kind": "Deployment"}), hardware=pods),
    ]
    assert summary(results) == (
        "Plan: 1 AWS call, 2 objects, 1 to 4 ml.g5.2xlarge (1 to 4 A10G), 3 pods (6 NVIDIA-L4), 0 warnings"
    )


def test_autoscaling_has_a_range(plan: Plan) -> None:
    out = plan(changed(autoscaling=AUTOSCALING))[1]
    assert " 1 to 4 ml.g5.2xlarge (1 to 4 A10G), 0 warnings\n" in out


def test_pods_are_counted_as_objects(plan: Plan) -> None:
    out = plan(changed(sageMaker=None, inCluster={}))[1]
    objects = len([each for each in yaml.safe_load_all(out) if each])
    assert out.endswith(f"\n# Plan: {objects} objects, 1 pod (1 GPU), 0 warnings\n")


def test_strict_fails_for_warnings(plan: Plan) -> None:
    warned = env(MAX_BATCH_TOTAL_TOKEN="1")
    code, out, err = plan(warned)
    assert (code, err.partition(": spec")[0]) == (0, "default/falcon-7b: Warning")
    strict, same, err = plan(warned, options=("--strict",))
    assert (strict, same, err.partition(": spec")[0]) == (1, out, "default/falcon-7b: Error")
    assert plan(SMALLEST, options=("--strict",))[0] == 0


def test_json(plan: Plan) -> None:
    code, out, err = plan(SMALLEST, changed("B"), options=("-o", "json"))
    assert code == 1
    assert err.startswith("default/B: InvalidSpec: ")
    found = json.loads(out)
    good, refused = found["resources"]
    assert (good["file"], good["name"]) == (str(plan.file), "default/falcon-7b")
    assert [next(iter(call)) for call in good["documents"]] == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    assert (refused["documents"], len(refused["problems"])) == ([], 1)
    assert found["summary"].startswith("Plan: 3 AWS calls")


def test_annotations_of_a_workflow(plan: Plan) -> None:
    code, out, err = plan(env(MAX_BATCH_TOTAL_TOKEN="1"), changed("B"), options=("-o", "github"))
    assert (code, err) == (1, "")
    warning, error, notice = out.splitlines()
    place = f"file={plan.file},title=default/"
    assert warning.startswith(f"::warning {place}falcon-7b::spec.runtime.env: the launcher has no option MAX_BATCH_")
    assert error.startswith(f"::error {place}B::InvalidSpec: metadata.name: must be")
    assert notice == "::notice::Plan: 3 AWS calls, 1 ml.g5.2xlarge (1 A10G), 1 warning, 1 rejected"
    strict = plan(env(MAX_BATCH_TOTAL_TOKEN="1"), options=("-o", "github", "--strict"))
    assert (strict[0], strict[1].partition(" ")[0]) == (1, "::error")


def test_annotations_are_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "100%, a:b.yaml"
    assert main(["plan", "-f", str(file), "-o", "github"]) == 1
    assert capsys.readouterr().out == f"::error::{tmp_path}/100%25, a:b.yaml: no such file\n"
    file.write_text(yaml.safe_dump(changed("B")))
    assert main(["plan", "-f", str(file), "-o", "github"]) == 1
    assert f"file={tmp_path}/100%25%2C a%3Ab.yaml,title=default/B::" in capsys.readouterr().out


def test_resources_without_a_namespace_have_that_of_the_context(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts = [{"name": "a", "context": {"namespace": "ml"}}, {"name": "b", "context": {"namespace": "dev"}}]
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump({"current-context": "a", "contexts": contexts}))
    monkeypatch.setenv("KUBECONFIG", str(config))
    assert plan(SMALLEST)[1].startswith("# ml/falcon-7b\n")
    assert plan(SMALLEST, options=("--context", "b"))[1].startswith("# dev/falcon-7b\n")
    assert plan(SMALLEST, options=("-n", "other"))[1].startswith("# other/falcon-7b\n")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MAX_BATCH_TOTAL_TOKEN", "MAX_BATCH_TOTAL_TOKENS"),
        ("MAX_CONCURENT_REQUESTS", "MAX_CONCURRENT_REQUESTS"),
        ("Max_Input_Tokens", "MAX_INPUT_TOKENS"),
        ("CUDA_MEMORY_FRACTIONS", "CUDA_MEMORY_FRACTION"),
        ("LORA_ADAPTER", "LORA_ADAPTERS"),
        ("NUM_SHARDS", "spec.runtime.numShard"),
    ],
)
def test_a_misspelled_option_is_warned_of(plan: Plan, name: str, meant: str) -> None:
    code, _, err = plan(env(**{name: "1"}))
    assert code == 0
    message = f"spec.runtime.env: the launcher has no option {name}; did you mean {meant}?"
    assert err == f"default/falcon-7b: Warning: {message}\n"


@pytest.mark.parametrize(
    "name",
    [
        "NCCL_DEBUG",
        "HF_HUB_ENABLE_HF_TRANSFER",
        "HF_HUB_OFFLINE",
        "RUST_LOG",
        "RUST_BACKTRACE",
        "PYTORCH_CUDA_ALLOC_CONF",
        "CUDA_LAUNCH_BLOCKING",
        "HTTPS_PROXY",
        "AWS_REGION",
        "TOKENIZER_CONFIG_PATH",
        "OTLP_ENDPOINT",
        "HUGGINGFACE_HUB_CACHE",
        "TGI_WIGGLE_ROOM",
        "USE_FLASH_ATTENTION",
        "LOG_LEVEL",
        "MASTER_ADDR",
        "CORS_ALLOW_ORIGIN",
    ],
)
def test_other_variables_are_not(plan: Plan, name: str) -> None:
    assert plan(env(**{name: "x"}))[2] == ""


def test_an_option_of_a_field_is_refused_and_not_doubted(plan: Plan) -> None:
    for name in launcher_options.RESERVED:
        assert "did you mean" not in plan(env(**{name: "1"}))[2]
