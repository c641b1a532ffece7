"""Names and tags: always valid for AWS, always the same, never another resource's."""

import hashlib
import re

import pytest
from botocore.session import get_session
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tgi_operator.backends import naming
from tgi_operator.backends.keys import Key
from tgi_operator.backends.resource import Owner
from tgi_operator.backends.sagemaker.desired import names

MODEL = get_session().get_service_model("sagemaker")
PATTERNS = [
    re.compile(MODEL.shape_for(shape).metadata["pattern"])
    for shape in ("EndpointName", "EndpointConfigName", "ModelName")
]

labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
namespaces = labels
"""Names of namespaces: DNS-1123 labels."""
resource_names = st.lists(labels, min_size=1, max_size=4).map(".".join).filter(lambda name: len(name) <= 253)
"""Names of custom resources: DNS-1123 subdomains."""
endpoint_names = st.from_regex(r"[a-z0-9](-?[a-z0-9])*", fullmatch=True).map(lambda name: name[:63].rstrip("-"))
"""Values of spec.sageMaker.endpointName."""
revisions = st.from_regex(r"[0-9a-f]{10}", fullmatch=True)


def owner(namespace: str = "ml", name: str = "falcon-7b", cluster: str = "c-1", uid: str = "u-1") -> Owner:
    return Owner(cluster, namespace, name, uid)


def assert_aws_takes(name: str) -> None:
    assert len(name) <= 63
    for pattern in PATTERNS:
        assert pattern.fullmatch(name)


@pytest.mark.parametrize(
    ("namespace", "name", "expected", "former"),
    [
        pytest.param("ml", "falcon-7b", "ml-falcon-7b-HASH", "ml-falcon-7b", id="as it is, where it can be"),
        pytest.param("ml", "falcon.7b", "ml-falcon-7b-HASH", "ml-falcon-7b-edb7aeec", id="a dot is replaced"),
        pytest.param("ml", "a--b", "ml-a-b-HASH", "ml-a-b-9fd8c232", id="repeated hyphens are one"),
        pytest.param("n" * 31, "m" * 31, f"{'n' * 31}-{'m' * 18}-HASH", f"{'n' * 31}-{'m' * 31}", id="63 characters"),
        pytest.param(
            "n" * 31, "m" * 32, f"{'n' * 31}-{'m' * 18}-HASH", f"{'n' * 31}-{'m' * 22}-18eb53a9", id="64 are cut"
        ),
        pytest.param(
            "n" * 31,
            "m" * 17 + "-" + "m" * 24,
            f"{'n' * 31}-{'m' * 17}-HASH",
            f"{'n' * 31}-{'m' * 17}-mmmm-FORMER",
            id="cut at a hyphen",
        ),
    ],
)
def test_name_of_the_endpoint_stays_the_same_for_ever(namespace: str, name: str, expected: str, former: str) -> None:
    """Another name is another endpoint: a change here would orphan every existing endpoint."""
    hashed = hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:12]
    assert names.endpoint_name(Key(namespace, name)) == expected.replace("HASH", hashed)
    before = hashlib.sha256(f"{namespace}-{name}".encode()).hexdigest()[:8]
    assert names.former_endpoint_name(Key(namespace, name)) == former.replace("FORMER", before)


@settings(max_examples=50)
@given(namespaces, resource_names)
def test_every_resource_has_a_name_that_aws_takes(namespace: str, name: str) -> None:
    assert_aws_takes(names.endpoint_name(Key(namespace, name)))
    assert_aws_takes(names.former_endpoint_name(Key(namespace, name)))


def ways_to_split(text: str) -> list[Key]:
    """Return the resources whose namespace and name are `text` with a hyphen between them."""
    cuts = (position for position, letter in enumerate(text) if letter == "-")
    return [Key(text[:cut], text[cut + 1 :]) for cut in cuts if 0 < cut < len(text) - 1]


@settings(max_examples=50)
@given(st.lists(labels, min_size=3, max_size=6).map("-".join))
def test_resources_of_different_namespaces_never_share_an_endpoint(text: str) -> None:
    keys = ways_to_split(text)
    assert len({names.former_endpoint_name(key) for key in keys}) == 1, "which is why the name has a hash"
    assert len({names.endpoint_name(key) for key in keys}) == len(keys)


@settings(max_examples=50)
@given(namespaces, resource_names, resource_names)
def test_resources_of_one_namespace_never_share_an_endpoint(namespace: str, one: str, other: str) -> None:
    assume(one != other)
    assert names.endpoint_name(Key(namespace, one)) != names.endpoint_name(Key(namespace, other))


@settings(max_examples=50)
@given(namespaces, resource_names)
def test_dots_and_hyphens_are_told_apart(namespace: str, name: str) -> None:
    assume("." in name)
    dotless = name.replace(".", "-")
    assert names.endpoint_name(Key(namespace, name)) != names.endpoint_name(Key(namespace, dotless))


@settings(max_examples=50)
@given(namespaces, resource_names, resource_names)
def test_names_that_begin_alike_are_told_apart_where_they_are_cut(namespace: str, name: str, other: str) -> None:
    long = name + "x" * 63
    one, another = Key(namespace, long + "a"), Key(namespace, long + other + "b")
    assert names.endpoint_name(one) != names.endpoint_name(another)


@settings(max_examples=50)
@given(endpoint_names, revisions)
def test_name_of_a_set_is_valid_and_tells_its_revision(endpoint: str, revision: str) -> None:
    name = names.set_name(endpoint, revision)
    assert_aws_takes(name)
    assert names.revision_of(endpoint, name) == revision


@settings(max_examples=50)
@given(endpoint_names, revisions, revisions)
def test_revisions_never_share_a_set(endpoint: str, one: str, other: str) -> None:
    assume(one != other)
    assert names.set_name(endpoint, one) != names.set_name(endpoint, other)


@pytest.mark.parametrize(
    ("name", "revision"),
    [
        pytest.param("ml-falcon-0123456789", "0123456789", id="ours"),
        pytest.param("ml-falcon", None, id="the endpoint's own name"),
        pytest.param("ml-other-0123456789", None, id="of another endpoint"),
        pytest.param("ml-falcon-012345678", None, id="a short hash"),
        pytest.param("ml-falcon-0123456789a", None, id="a long hash"),
        pytest.param("ml-falcon-012345678g", None, id="no hash"),
        pytest.param("ml-falcon-0123456789-2", None, id="a hash and more"),
        pytest.param("ml-falcon-2026-0123456789", None, id="of an endpoint that begins alike"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_revision_in_a_name(name: str, revision: str | None) -> None:
    assert names.revision_of("ml-falcon", name) == revision


def test_name_of_a_set_is_cut_in_its_middle() -> None:
    cut = names.set_name("e" * 63, "0123456789")
    assert re.fullmatch(r"e{43}-[0-9a-f]{8}-0123456789", cut)
    assert cut != names.set_name("e" * 62 + "f", "0123456789")
    assert names.set_name("e" * 52, "0123456789") == "e" * 52 + "-0123456789"


@settings(max_examples=50)
@given(st.text(), st.text())
def test_revision_is_the_content(one: str, other: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{10}", naming.revision(one))
    assert (naming.revision(one) == naming.revision(other)) == (one == other)


def test_owner_is_in_the_tags() -> None:
    assert names.owner_tags(owner()) == {
        "tgi-operator.dev/cluster": "c-1",
        "tgi-operator.dev/namespace": "ml",
        "tgi-operator.dev/name": "falcon-7b",
        "tgi-operator.dev/uid": "u-1",
    }


@pytest.mark.parametrize(
    ("tags", "owned", "claimed"),
    [
        pytest.param(names.owner_tags(owner()), True, True, id="ours"),
        pytest.param(names.owner_tags(owner()) | {"team": "ml"}, True, True, id="ours with more tags"),
        pytest.param(names.owner_tags(owner(uid="u-0")), True, True, id="ours before a restore from a backup"),
        pytest.param(names.owner_tags(owner(cluster="c-2")), False, True, id="of the same name in another cluster"),
        pytest.param(names.owner_tags(owner(namespace="dev")), False, True, id="of another namespace"),
        pytest.param(names.owner_tags(owner(name="falcon")), False, True, id="of another resource"),
        pytest.param({"team": "ml"}, False, False, id="of somebody who does not know us"),
        pytest.param({}, False, False, id="without tags"),
    ],
)
def test_whose_an_object_is(tags: dict[str, str], *, owned: bool, claimed: bool) -> None:
    assert names.is_owned(tags, owner()) is owned
    assert names.is_claimed(tags) is claimed


@given(st.sets(st.sampled_from(sorted(names.owner_tags(owner())))))
def test_tags_that_are_gone_contradict_nothing(gone: set[str]) -> None:
    left = {key: value for key, value in names.owner_tags(owner()).items() if key not in gone}
    assert not names.is_anothers(left, owner())
    for key in (names.TAG_CLUSTER, names.TAG_NAMESPACE, names.TAG_NAME):
        assert names.is_anothers(left | {key: "other"}, owner())


@settings(max_examples=50)
@given(st.dictionaries(st.text(), st.text()))
def test_tags_are_the_same_after_aws_listed_them(tags: dict[str, str]) -> None:
    listed = names.to_list(tags)
    assert names.from_list(reversed(listed)) == tags
    assert [tag["Key"] for tag in listed] == sorted(tags)
