"""Leader election of two operators: the leader is killed, stopped, paused or cut off, and the other one takes over."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from e2e.conftest import FALCON, ZEPHYR, Cloud, until
from e2e.installations import HOME
from e2e.relay import Relay
from integration.install.cluster import Cluster
from tgi_operator.exit_codes import ExitCode
from tgi_operator.leadership.lease import NAME
from tgi_sandbox.aws.control import Request
from tgi_sandbox.operator import OperatorProcess

pytestmark = pytest.mark.installation("sageMaker")

QUICK = {"lease_duration": 4, "renew_deadline": 2.5, "retry_period": 0.4}
"""Shorter than the defaults, whose expiry the first test waits for."""

PATIENT = {"lease_duration": 10, "renew_deadline": 8, "retry_period": 0.4}
"""For a leader that must stay the leader while it starts, also on a loaded machine."""

FAST = {"aws_reads_per_second": 1000, "aws_writes_per_second": 1000, "sweep_interval": 0.5}


@dataclass
class Contender:
    """An operator with a separate connection to the API server, and a separate access key for AWS."""

    key: str
    relay: Relay
    operator: OperatorProcess

    @property
    def leads(self) -> bool:
        """Whether it reports that it is the leader."""
        return self.operator.metrics()["tgi_operator_leader"] == 1

    def signal(self, number: signal.Signals) -> float:
        """Send a signal; return the time."""
        self.operator.process.signal(number)
        return time.monotonic()

    def log(self) -> str:
        """Return its log."""
        return self.operator.log.read_text()


Start = Callable[..., tuple[Contender, Contender]]


@pytest.fixture
def start(cloud: Cloud, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts two operators, the first of which is the leader; no others run during the test."""
    cloud.operator.stop()
    cloud.kubectl("-n", HOME, "delete", "lease", NAME, "--ignore-not-found")
    authority, token = (
        cloud.plane.layout.certificate_authority.read_text(),
        Cluster(cloud.plane).token_of(cloud.installation.release),
    )
    relays = [Relay(cloud.plane.api.url, authority) for _ in range(2)]
    started: list[Contender] = []

    def contender(relay: Relay, key: str, settings: dict[str, object]) -> Contender:
        kubeconfig = tmp_path / f"{key}.kubeconfig"
        kubeconfig.write_text(json.dumps(_kubeconfig(relay.address, token)))
        aws = {**cloud.aws.environment, "AWS_ACCESS_KEY_ID": key} if cloud.installation.uses_aws else {}
        election = {"leader_election": "on", "leader_election_namespace": HOME}
        installed = cloud.installation.settings(cloud.namespace)
        operator = OperatorProcess(
            kubeconfig, aws, tmp_path / f"{key}.log", **installed, **election, **FAST, **settings
        )
        made = Contender(key, relay, operator)
        started.append(made)
        operator.start()
        return made

    def both(**settings: object) -> tuple[Contender, Contender]:
        first = contender(relays[0], "first", settings)
        until(lambda: first.leads, first.log, 10)
        second = contender(relays[1], "second", settings)
        assert first.leads
        assert not second.leads
        return first, second

    with relays[0], relays[1]:
        yield both
        for each in started:
            each.signal(signal.SIGCONT)
            each.operator.stop()
    cloud.operator.start()


def _kubeconfig(server: str, token: str) -> dict[str, object]:
    return {
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }


def writes(cloud: Cloud, since: int = 0) -> list[Request]:
    """Return the calls on the namespace that tried to change a resource on AWS."""
    return [each for each in cloud.requests(since) if not each.operation.startswith(("List", "Describe"))]


def is_quiet(cloud: Cloud) -> bool:
    """Return whether no request reaches AWS for a moment, because all calls wait for a retry."""
    before = len(cloud.requests())
    time.sleep(0.1)
    return len(cloud.requests()) == before


def seconds_to_work(cloud: Cloud, contender: Contender, name: str, since: float) -> float:
    """Apply a resource, wait for its request to AWS; return the seconds since a moment."""
    cloud.apply(name, FALCON)
    about = f"{cloud.namespace}-{name}"
    until(
        lambda: any(each.access_key == contender.key and each.name.startswith(about) for each in writes(cloud)),
        contender.log,
        60,
    )
    return time.monotonic() - since


def check_one_after_the_other(cloud: Cloud, *keys: str) -> None:
    """Check that the writes to AWS are from one operator at a time, in this order."""
    assert [key for key, _ in groupby(each.access_key for each in writes(cloud))] == list(keys)


def lease(cloud: Cloud) -> dict[str, object]:
    """Return the spec of the Lease."""
    found: dict[str, object] = json.loads(cloud.kubectl("-n", HOME, "get", "lease", NAME, "-o", "json"))["spec"]
    return found


def test_the_other_takes_over_within_the_default_times(cloud: Cloud, start: Start) -> None:
    first, second = start()
    cloud.apply("falcon-0", FALCON)
    cloud.wait_ready("falcon-0")
    # An operator on standby reads nothing but the Lease.
    assert {each.path for each in second.relay.reads()} == {"/api/v1/namespaces/kube-system"}
    killed = first.signal(signal.SIGKILL)
    assert seconds_to_work(cloud, second, "falcon-1", killed) < 20
    first.operator.process.wait(10)
    first.operator.start()
    first.operator.stop()
    assert first.operator.process.returncode == 0
    first.operator.start()
    assert (first.leads, second.leads) == (False, True)
    ended = second.signal(signal.SIGTERM)
    # A Lease that is not released cannot be taken earlier than its duration after the last renewal: 15 - 2 s.
    assert seconds_to_work(cloud, first, "falcon-2", ended) < 13
    assert second.operator.process.wait(10)
    assert second.operator.process.returncode == 0
    check_one_after_the_other(cloud, "first", "second", "first")
    # No operator takes it now, so that the test can see it released.
    first.operator.stop()
    assert not lease(cloud).get("holderIdentity")
    assert lease(cloud)["leaseTransitions"] == 2


def test_a_leader_that_was_paused_writes_nothing_when_it_wakes(cloud: Cloud, start: Start) -> None:
    first, second = start(**QUICK)
    names = [f"falcon-{number}" for number in range(6)]
    # Some calls wait for a retry, in threads, when the process is stopped.
    cloud.control.seed(5)
    cloud.control.throttle(probability=0.5)
    for name in names:
        cloud.apply(name, FALCON)
    until(lambda: any(each.outcome == "OK" for each in writes(cloud)), first.log)
    # A request that is half sent would arrive when the process resumes: no check before it can prevent that.
    until(lambda: is_quiet(cloud), first.log)
    first.signal(signal.SIGSTOP)
    until(lambda: second.leads, second.log, 15)
    # Changes for it to find when it resumes.
    cloud.apply("falcon-late", FALCON)
    until(lambda: any(each.access_key == "second" for each in writes(cloud)), second.log)
    cloud.control.clear_faults()
    woken = first.signal(signal.SIGCONT)
    assert first.operator.process.wait(10)
    assert first.operator.process.returncode == ExitCode.NOT_LEADING
    for name in (*names, "falcon-late"):
        cloud.wait_ready(name)
    assert first.relay.writes(woken) == []
    check_one_after_the_other(cloud, "first", "second")


def test_a_leader_that_is_cut_off_ends_before_its_lease(cloud: Cloud, start: Start) -> None:
    first, second = start(**QUICK)
    cloud.apply("falcon-0", FALCON)
    cloud.wait_ready("falcon-0")
    first.relay.cut()
    cut = time.monotonic()
    # It still reads AWS, and would revert this.
    cloud.sagemaker().delete_endpoint(EndpointName=cloud.endpoint_name("falcon-0"))
    assert first.operator.process.wait(10)
    assert time.monotonic() - cut < QUICK["lease_duration"]
    assert not second.leads
    assert first.operator.process.returncode == ExitCode.NOT_LEADING
    assert seconds_to_work(cloud, second, "falcon-1", cut) < 10
    check_one_after_the_other(cloud, "first", "sandbox", "second")


def test_a_leader_that_is_told_to_stop_keeps_the_lease_until_its_calls_have_ended(cloud: Cloud, start: Start) -> None:
    first, second = start(**QUICK)
    cloud.control.delay(QUICK["lease_duration"] + 2, "CreateModel", times=1)
    cloud.apply("falcon-0", FALCON)
    until(lambda: not cloud.control.state()["faults"], first.log)
    first.signal(signal.SIGTERM)
    while first.operator.process.running:
        # Calls that have ended are in the journal.
        assert not second.leads or writes(cloud)
        time.sleep(0.2)
    assert first.operator.process.returncode == 0
    assert "The Lease was released" in first.log()
    cloud.wait_ready("falcon-0")
    check_one_after_the_other(cloud, "first", "second")


def test_two_hundred_parallel_scrapes_do_not_cost_the_lease(cloud: Cloud, start: Start) -> None:
    first, second = start(**QUICK)
    for number in range(20):
        cloud.apply(f"falcon-{number}", FALCON)
    end = time.monotonic() + 4 * QUICK["renew_deadline"]
    with ThreadPoolExecutor(200) as scrapers:
        while time.monotonic() < end:
            found = list(scrapers.map(lambda _: first.operator.metrics(), range(200)))
            assert all(each["tgi_operator_leader"] == 1 for each in found)
    assert first.leads
    assert not second.leads
    assert lease(cloud)["leaseTransitions"] == 0


@pytest.mark.installation("pods")
def test_the_other_takes_over_pods_that_were_not_ready_yet(cloud: Cloud, start: Start) -> None:
    first, second = start(**PATIENT)
    cloud.apply("zephyr", ZEPHYR)
    until(lambda: cloud.object("deployments", "zephyr") is not None, first.log, 10)
    first.signal(signal.SIGKILL)
    cloud.wait_ready("zephyr")
    assert second.leads
    (deployment,) = cloud.objects("deployments")
    assert deployment["metadata"]["generation"] == 1, "the other operator found nothing to change"
