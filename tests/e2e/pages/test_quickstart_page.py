"""docs/quickstart.md, followed with the sandbox's cluster and AWS emulator in place of kind and AWS."""

import re

import pytest

from e2e import rights
from e2e.installations import ALL
from e2e.pages.newcomer import IMPATIENT, Newcomer, made
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane
from unit.docs import pages
from unit.docs.pages import ROOT

BLOCKS = [
    block.text
    for block in pages.blocks(ROOT / "docs" / "quickstart.md", "kind and an AWS account")
    if block.language == "sh" and not block.text.startswith("kind ")
]

pytestmark = pytest.mark.installation("all")


def split_before_helm(block: str) -> list[str]:
    return re.split(r"(?=^helm )", block, maxsplit=1, flags=re.MULTILINE)


def test_kind(newcomer: Newcomer, plane: ControlPlane, aws: AwsDouble) -> None:
    install, create, call, delete = BLOCKS
    values, helm = split_before_helm(install)
    said = newcomer.follow(values, IMPATIENT, helm, create)
    assert re.search(r"zephyr-7b +True +InService", said)
    # The tests' clone is already installed.
    said = newcomer.follow(call.removeprefix("make install\n"))
    assert "deep learning" in said.lower()
    deletion, uninstallation = split_before_helm(delete)
    newcomer.follow(deletion)
    assert made(aws) == []
    assert 403 not in {code for _, code in rights.used(plane.layout.directory, [ALL])}
    # The operator's roles go with it, and the leader can no longer release its Lease.
    rights.withdraw(plane, rights.EVERYWHERE)
    newcomer.follow(uninstallation)
