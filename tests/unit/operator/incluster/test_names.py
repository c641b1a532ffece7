"""Names fit, and are distinct."""

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.resource import Owner

# Names of Services, which are those of resources with inCluster.
resource_names = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
long_names = st.from_regex(r"[a-z]{50}[-a-z0-9]{0,12}[a-z0-9]", fullmatch=True)
what = st.text(max_size=30)

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def owner(name: str = "zephyr-7b", uid: str = "u-1") -> Owner:
    return Owner("c-1", "ml", name, uid)


def job_name(owner: Owner, source: str) -> str:
    return names.job_name(owner, names.weights_identity(owner, source))


@given(resource_names | long_names, what)
def test_every_name_fits(name: str, source: str) -> None:
    assert LABEL.fullmatch(names.claim_name(owner(name)))
    assert LABEL.fullmatch(job_name(owner(name), source))


@given(resource_names | long_names)
def test_every_label_is_one(name: str) -> None:
    for found in (names.server_labels(owner(name)), names.weights_labels(owner(name)), names.selector(owner(name))):
        assert all(LABEL_VALUE.fullmatch(value) for value in found.values())


@given(resource_names | long_names, resource_names | long_names)
def test_no_two_resources_share_a_claim(one: str, other: str) -> None:
    assume(one != other)
    assert names.claim_name(owner(one)) != names.claim_name(owner(other))


def test_resources_whose_long_names_begin_alike_do_not_share_a_claim() -> None:
    assert names.claim_name(owner("a" * 60 + "-b")) != names.claim_name(owner("a" * 60 + "-c"))


@settings(max_examples=50)
@given(resource_names | long_names, long_names, what, what)
def test_no_two_fetches_share_a_job(one: str, other: str, source: str, another: str) -> None:
    if one != other:
        assert job_name(owner(one), source) != job_name(owner(other), source)
    if source != another:
        assert job_name(owner(one), source) != job_name(owner(one), another)


def test_names_are_these() -> None:
    """Another name is another PVC, and weights are fetched again."""
    assert names.claim_name(owner()) == "zephyr-7b-weights"
    assert job_name(owner(), "x") == "zephyr-7b-fetch-8d66ee484c"


def test_names_know_nothing_of_the_uid() -> None:
    """A resource that is created again finds the retained PVC."""
    assert names.claim_name(owner(uid="u-2")) == names.claim_name(owner())
    assert names.selector(owner(uid="u-2")) == names.selector(owner())


def test_selector_finds_pods_that_serve_and_no_others() -> None:
    selector = names.selector(owner()).items()
    assert selector <= names.server_labels(owner()).items()
    assert not selector <= names.weights_labels(owner()).items()
    assert not selector <= names.server_labels(owner("zephyr")).items()
    assert names.is_server(names.server_labels(owner()))
    assert not names.is_server(names.weights_labels(owner()))
    assert not names.is_server({})


@pytest.mark.parametrize(
    ("labels", "ours"),
    [
        pytest.param(names.labels(owner()), True, id="ours"),
        pytest.param(names.labels(owner()) | {"team": "ml"}, True, id="ours with more labels"),
        pytest.param(names.labels(owner("falcon")), False, id="of another resource"),
        pytest.param({names.LABEL_NAME: "zephyr-7b"}, False, id="not managed by us"),
        pytest.param({"app.kubernetes.io/managed-by": "tgi-operator"}, False, id="of no resource"),
        pytest.param(names.labels(owner()) | {"app.kubernetes.io/managed-by": "Helm"}, False, id="managed by another"),
        pytest.param({}, False, id="without labels"),
    ],
)
def test_whose_an_object_is(labels: dict[str, str], *, ours: bool) -> None:
    assert names.is_ours(labels, owner()) is ours


@given(resource_names | long_names, what)
def test_identity_of_the_weights_is_in_the_name_of_their_job(name: str, source: str) -> None:
    identity = names.weights_identity(owner(name), source)
    assert names.identity_of({"metadata": {"name": job_name(owner(name), source)}}) == identity
    assert names.is_identity(identity)


@pytest.mark.parametrize("label", ["", "0123456789abcdef", "--allow-pi", "../../../x", "0123456 89"])
def test_label_that_another_user_wrote_is_no_identity(label: str) -> None:
    assert not names.is_identity(label)
