"""Generates the CRD from the types: `python -m tgi_operator.schema.crd > crds/tgiendpoints.yaml`."""

import sys
from typing import Any

import yaml
from pydantic import BaseModel

from tgi_operator.api.identifiers import GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from tgi_operator.api.objects import cel
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.schema import size

_DROPPED = ("title", "$defs", "discriminator")
_HEADER = "# Generated from operator/tgi_operator/api by `make crds`. Do not edit.\n"

_SERVICE_NAME = (
    "!has(self.spec.inCluster) || size(self.metadata.name) <= 63 && "
    "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')"
)

_COLUMNS = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', 0),
    ("Status", "string", ".status.summary", 0),
    ("Model", "string", ".status.model", 0),
    ("On", "string", ".status.hardware", 0),
    ("Available", "string", '.status.conditions[?(@.type=="Available")].status', 1),
    ("Backend", "string", ".status.backend", 1),
    ("Revision", "string", ".status.currentRevision", 1),
    ("Min", "integer", ".status.scaling.minReplicas", 1),
    ("Max", "integer", ".status.scaling.maxReplicas", 1),
    ("Age", "date", ".metadata.creationTimestamp", 1),
    ("URI", "string", ".spec.model.uri", 1),
    ("URL", "string", ".status.url", 1),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 1),
)
"""Columns of priority 0 fit into 100 columns. `-o wide` also shows the others."""


def crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition manifest."""
    schema = {
        "type": "object",
        "description": "TGIEndpoint serves a large language model with Text Generation Inference (TGI) on Amazon "
        "SageMaker or in pods.",
        "required": ["spec"],
        **cel(
            (
                _SERVICE_NAME,
                (
                    "if inCluster is set, metadata.name must be a valid Service name: up to 63 lowercase letters, "
                    "digits and '-', starting with a letter and ending with a letter or digit"
                ),
            )
        ),
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _bounded(structural_schema(Spec)),
            # A new object must not appear current to kstatus before the operator has seen it.
            "status": structural_schema(Status) | {"default": {"observedGeneration": -1}},
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": ["inference"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path} | ({"priority": priority} if priority else {})
                        for name, kind, path, priority in _COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the structural OpenAPI v3 schema of `model`.

    Raises ValueError for a union that Kubernetes cannot express.
    """
    document = model.model_json_schema(by_alias=True)
    return _structural(document, document.get("$defs", {}))


def _bounded(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a spec with the rule that bounds its texts."""
    message = f"all strings in a spec together must have at most {size.MOST_CHARACTERS:,} characters"
    return _beside(spec, cel((size.rule_of_texts(spec), message)))


def _structural(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return `node` with references inlined, `X | None` reduced to X and JSON Schema's extras dropped."""
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        # The siblings of the reference (description and rules of the field) extend those of the type.
        return _structural(_beside(target, {key: value for key, value in node.items() if key != "$ref"}), definitions)
    if "x-kubernetes-int-or-string" in node:
        return {key: value for key, value in node.items() if key != "title"}
    if "anyOf" in node:
        options = [option for option in node["anyOf"] if option.get("type") != "null"]
        if len(options) != 1:
            raise ValueError(f"not structural: {node}")
        rest = {key: value for key, value in node.items() if key not in ("anyOf", "default")}
        return _structural(_beside(options[0], rest), definitions)
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    if "const" in result:
        result["enum"] = [result.pop("const")]  # a structural schema has no const
    return _with_structural_children(_closed(result), definitions)


def _closed(result: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without the parts that only JSON Schema needs."""
    if result.get("additionalProperties") in (True, False):
        del result["additionalProperties"]  # a structural schema has no unknown fields anyway
    if isinstance(result.get("default"), list | dict):
        del result["default"]  # a missing list or object stays missing in stored objects
    return result


def _with_structural_children(result: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "properties" in result:
        result["properties"] = {name: _structural(child, definitions) for name, child in result["properties"].items()}
    if "items" in result:
        result["items"] = _structural(result["items"], definitions)
    if "additionalProperties" in result:
        result["additionalProperties"] = _structural(result["additionalProperties"], definitions)
    return result


def _beside(target: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    rules = "x-kubernetes-validations"
    merged = target | extra
    if rules in target and rules in extra:
        merged[rules] = target[rules] + extra[rules]
    return merged


def to_yaml() -> str:
    """Return the text of crds/tgiendpoints.yaml."""
    return _HEADER + yaml.safe_dump(crd(), sort_keys=False, width=120)


if __name__ == "__main__":
    sys.stdout.write(to_yaml())
