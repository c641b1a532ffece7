"""The pods that can connect to serving pods, as set by the administrator."""

from pathlib import Path

import pytest

from e2e.conftest import ZEPHYR, Cloud, operator_of, until

pytestmark = pytest.mark.installation("pods")


def test_a_network_policy_comes_and_goes_with_the_setting(cloud: Cloud, tmp_path: Path) -> None:
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("zephyr")
    policy = cloud.object("networkpolicies", "zephyr")
    assert policy is not None
    (rule,) = policy["spec"]["ingress"]
    listed = [peer["namespaceSelector"]["matchLabels"] for peer in rule["from"] if "namespaceSelector" in peer]
    assert listed == [{"kubernetes.io/metadata.name": "monitoring"}]
    cloud.kubectl("patch", "networkpolicy", "zephyr", "--type=merge", "-p", '{"spec":{"ingress":[{}]}}')

    def is_back() -> bool:
        found = cloud.object("networkpolicies", "zephyr")
        return found is not None and found["spec"] == policy["spec"]

    until(is_back, lambda: str(cloud.object("networkpolicies", "zephyr")))
    cloud.operator.stop()
    where = (cloud.plane, cloud.aws, tmp_path, cloud.installation, cloud.namespace)
    with operator_of(*where, serving_pods_from="*") as open_to_all:
        until(lambda: cloud.object("networkpolicies", "zephyr") is None, open_to_all.log.read_text)
    cloud.operator.start()
    cloud.wait_ready("zephyr")
