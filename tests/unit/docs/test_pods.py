"""docs/pods.md names the GPU products that can be selected by the labels of node autoscalers."""

import re

from tgi_operator.hardware import gpus
from unit.docs import pages
from unit.docs.pages import ROOT

PAGE = ROOT / "docs" / "pods.md"


def test_products_are_those_of_the_table() -> None:
    named_products = set()
    for product, karpenter, gke in pages.table(PAGE, "`gpu.products`"):
        row = gpus.row(product)
        assert row is not None
        named = re.sub(" with .*", "", karpenter)
        assert (row["karpenter"], list(row.get("gke", ()))) == (named, [] if gke == "none" else gke.split(", "))
        memory = re.search(r"with ([0-9,]+) MiB", karpenter)
        assert memory is None or int(memory[1].replace(",", "")) == row["memoryMiB"]
        named_products.add(row["product"])
    assert named_products == {row["product"] for _, row in gpus.known_products() if {"karpenter", "gke"} & row.keys()}
