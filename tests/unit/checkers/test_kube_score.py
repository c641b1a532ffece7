"""kube-score reports only accepted findings for the installed objects, and would report others."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from unit.chart.rendering import Object, of, program
from unit.checkers import accepted
from unit.checkers.given import ALL_ON, BY_DEFAULT, COMMITTED, installed, privileged, written

_MORE = ("container-seccomp-profile", "container-memory-requests-equal-limits", "container-ports-check")
"""Checks that are disabled by default."""

_ALL_OK = 10


def _found(file: Path) -> set[str]:
    more = [word for check in _MORE for word in ("--enable-optional-test", check)]
    command = [program("kube-score"), "score", "--kubernetes-version", "v1.29", "-o", "json", *more, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    scored = json.loads(done.stdout)
    assert scored, done.stderr
    return {
        f"{check['check']['id']}: {comment['summary']}"
        for item in scored
        for check in item["checks"]
        for comment in check["comments"] or ()
        if not check["skipped"] and check["grade"] < _ALL_OK
    }


@pytest.mark.parametrize("what", [BY_DEFAULT, ALL_ON, COMMITTED])
def test_it_finds_what_is_accepted_and_nothing_else(what: str, tmp_path: Path) -> None:
    expected = {*accepted.KUBE_SCORE, *(() if what == ALL_ON else accepted.KUBE_SCORE_BY_DEFAULT)}
    assert _found(written(tmp_path, installed(what))) == expected


def _without_memory_limit() -> list[Object]:
    found = privileged()
    del of(found, "Deployment")["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    return found


@pytest.mark.parametrize(
    ("faulty", "finding"),
    [
        (privileged, "container-security-context-privileged: The container is privileged"),
        (_without_memory_limit, "container-resources: Memory limit is not set"),
    ],
    ids=["privileged", "no limit"],
)
def test_it_finds_a_fault(faulty: Callable[[], list[Object]], finding: str, tmp_path: Path) -> None:
    assert finding in _found(written(tmp_path, faulty()))
