"""checkov reports only accepted findings for the chart and the Dockerfile, and would report others."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from unit.chart.rendering import ROOT
from unit.checkers import accepted
from unit.checkers.given import ALL_ON, BY_DEFAULT, installed, privileged, written

CHECKOV = ROOT / "ci" / "checkov" / ".venv" / "bin" / "checkov"

# Together with --skip-download (its makers' metadata of checks), this covers all of its network requests.
_OFFLINE = os.environ | {"CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}

KUBERNETES, DOCKERFILE = "kubernetes", "dockerfile"


def _found(*files: Path) -> Mapping[str, set[str]]:
    """Return the findings by kind of file. Files are checked together: a policy in one covers a pod in another."""
    assert CHECKOV.exists(), "there is no checkov: run make checkov"
    command = [str(CHECKOV), "--compact", "--quiet", "--output", "json", "--framework", KUBERNETES, DOCKERFILE]
    command += ["--skip-download", *(word for file in files for word in ("--file", str(file)))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_OFFLINE)
    reports = json.loads(done.stdout)
    return {
        report["check_type"]: {
            f"{each['check_id']}: {each['check_name']}" for each in report["results"]["failed_checks"]
        }
        for report in (reports if isinstance(reports, list) else [reports])
    }


def test_it_finds_what_is_accepted_of_dockerfile_and_defaults(tmp_path: Path) -> None:
    found = _found(ROOT / "Dockerfile", written(tmp_path, installed(BY_DEFAULT)))
    assert found[DOCKERFILE] == set(accepted.CHECKOV_DOCKERFILE)
    assert found[KUBERNETES] == {*accepted.CHECKOV, *accepted.CHECKOV_BY_DEFAULT}


def test_it_finds_what_is_accepted_where_all_is_on(tmp_path: Path) -> None:
    assert _found(written(tmp_path, installed(ALL_ON))) == {KUBERNETES: set(accepted.CHECKOV)}


def test_it_finds_faults(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text((ROOT / "Dockerfile").read_text().replace("USER 65532:65532", "USER root"))
    found = _found(dockerfile, written(tmp_path, privileged()))
    assert "CKV_DOCKER_8: Ensure the last USER is not root" in found[DOCKERFILE]
    assert "CKV_K8S_16: Container should not be privileged" in found[KUBERNETES]
