"""The examples of docs/install.md can be used unchanged."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from unit.chart.rendering import MANIFESTS, ROOT, helm, kustomized, of, rendered
from unit.docs import pages

PAGE = ROOT / "docs" / "install.md"
BLOCKS = pages.blocks(PAGE)

VALUES = [block.text for block in BLOCKS if block.text.startswith("# values.yaml")]

# For the commands under "On EKS", in the order of the page; tests/e2e/test_install_page.py runs them.
WRITTEN = re.findall(r"^cat > values\.yaml << EOF\n(.*?)^EOF$", PAGE.read_text(), re.MULTILINE | re.DOTALL)

ROLE = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/tgi-operator"}


def test_every_block_is_one_of_a_kind_that_is_checked() -> None:
    for block in BLOCKS:
        if block.language == "yaml":
            assert block.text.startswith(("# values.yaml", "# kustomization.yaml"))
        else:
            assert block.commands


@pytest.mark.parametrize("text", VALUES, ids=range(len(VALUES)))
def test_the_chart_takes_the_values(text: str) -> None:
    assert rendered(yaml.safe_load(text))


def test_the_overlay_and_the_values_give_the_role_alike(tmp_path: Path) -> None:
    (overlay,) = (block.text for block in BLOCKS if block.text.startswith("# kustomization.yaml"))
    for folder in ("crds", "manifests/base"):
        shutil.copytree(ROOT / folder, tmp_path / "tgi-operator" / folder)
    shutil.copy(MANIFESTS / "kustomization.yaml", tmp_path / "tgi-operator" / "manifests")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kustomization.yaml").write_text(overlay)
    assert of(kustomized(tmp_path / "mine"), "ServiceAccount")["metadata"]["annotations"] == ROLE
    (text,) = (text for text in WRITTEN if "serviceAccount" in text)
    values = yaml.safe_load(text.replace("$ACCOUNT", "111122223333").replace("$AWS_DEFAULT_REGION", "us-east-1"))
    assert of(rendered(values), "ServiceAccount")["metadata"]["annotations"] == ROLE


def test_helm_knows_the_flags() -> None:
    for command in (command for block in BLOCKS for command in block.commands if command.startswith("helm ")):
        words = command.split()
        known = helm(words[1], "--help").stdout
        assert all(word in known for word in words if word.startswith("--")), command
