"""The requests that the control API refuses, and its error messages."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest

from tgi_sandbox.aws.server import AwsDouble


@pytest.fixture(scope="module")
def double() -> Iterator[AwsDouble]:
    with AwsDouble(clock="manual") as started:
        yield started


def refusal(double: AwsDouble, path: str, body: bytes) -> str:
    request = urllib.request.Request(f"{double.address}/_sandbox/{path}", data=body, method="POST")  # noqa: S310
    with pytest.raises(HTTPError, match="400") as caught:
        urllib.request.urlopen(request, timeout=10)  # noqa: S310
    return str(caught.value.read().decode())


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("advance", {}, '/_sandbox/advance needs seconds: send {"seconds": "…"}'),
        ("advance", {"seconds": 1, "minutes": 1}, "/_sandbox/advance has no field minutes; known: seconds"),
        ("advance", {"seconds": -1}, "time does not run backwards, got -1"),
        (
            "settings",
            {"nonsense": 5},
            (
                "/_sandbox/settings has no field nonsense; known: durations, quotas, consistency_delay, "
                "scalable_targets_quota, concurrent_update_seconds, unreadable_model_data, missing_images"
            ),
        ),
        ("settings", {"durations": {"nap": 1}}, "no duration nap=1; known: cannot_start, create, "),
        ("script", {"outcome": "ok"}, '/_sandbox/script needs endpoint: send {"endpoint": "…", "outcome": "…"}'),
        ("script", {"endpoint": "*", "outcome": "fine"}, "'fine' is not a valid Outcome"),
        ("faults", {"add": [{}]}, 'a fault needs kind: send {"kind": "…"}'),
        ("faults", {"add": [{"kind": "deny", "often": 1}]}, "a fault has no field often; known: kind, operation, "),
        ("outage", {"region": "us-east-1", "kind": "flood"}, "'flood' is not a valid Outage"),
        ("outage", {"region": "us-east-1"}, "/_sandbox/outage needs kind: "),
        ("credentials", {}, "/_sandbox/credentials needs expired: "),
        ("status", {"endpoint": "nope", "status": "Failed"}, "endpoint nope: there is none in any region"),
        ("load", {"endpoint": "x", "requests": 1}, "/_sandbox/load has no field requests; known: endpoint, "),
        ("metrics", {"namespace": "x"}, "/_sandbox/metrics needs metricName, value: "),
        ("reset", {"hard": True}, "/_sandbox/reset has no field hard; known: none"),
        ("advance", 300, "/_sandbox/advance takes a JSON object, not 300"),
    ],
)
def test_refused(double: AwsDouble, path: str, body: Any, words: str) -> None:
    assert refusal(double, path, json.dumps(body).encode()).startswith(words)


def test_no_json(double: AwsDouble) -> None:
    assert refusal(double, "advance", b"seconds=300").startswith("Expecting value: line 1")


def test_nothing_of_a_refused_request_is_done(double: AwsDouble) -> None:
    before = double.control.state()
    refusal(double, "faults", b'{"add": [{"kind": "deny"}, {"kind": "deny", "often": 1}]}')
    refusal(double, "settings", b'{"quotas": {"ml.g5.xlarge": 1}, "nonsense": 5}')
    after = double.control.state()
    assert (after["faults"], after["quotas"]) == (before["faults"], before["quotas"])
