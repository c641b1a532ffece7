"""An operator that watches one namespace, with permissions in no other."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from e2e import rights
from e2e.conftest import FALCON, ZEPHYR, Cloud, until

pytestmark = pytest.mark.installation("namespaced")


@pytest.fixture
def elsewhere(cloud: Cloud) -> Iterator[Cloud]:
    """Yield a namespace that is not watched."""
    made = replace(cloud, namespace=cloud.plane.create_namespace())
    yield made
    made.kubectl("delete", "tgi", "--all", "--timeout=20s")


def test_both_backends_work_in_the_namespace_and_no_other_is_touched(cloud: Cloud, elsewhere: Cloud) -> None:
    elsewhere.apply("falcon-7b", FALCON)
    cloud.apply("falcon-7b", FALCON)
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("falcon-7b")
    cloud.wait_ready("zephyr")
    assert elsewhere.get("falcon-7b")["status"] == {"observedGeneration": -1}
    assert elsewhere.requests() == []
    assert "orbidden" not in cloud.operator.log.read_text()


def test_a_namespace_that_loses_its_role_first_leaves_nothing_behind(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", FALCON)
    cloud.wait_ready("falcon-7b")
    rights.withdraw(cloud.plane, cloud.namespace)
    cloud.kubectl("delete", "rolebinding", cloud.installation.release)
    cloud.kubectl("delete", "namespace", cloud.namespace, "--timeout=60s")
    until(lambda: cloud.leftovers() == [], lambda: str(cloud.leftovers()))
