"""Generates the reference pages: `python -m tgi_operator.schema.reference docs`. Without a folder, writes to stdout."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import Any

from tgi_operator.api.identifiers import API_VERSION, KIND
from tgi_operator.api.objects import INT32_MAX
from tgi_operator.api.pod_changes import PodTemplate
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import ConditionType, Status
from tgi_operator.schema import size
from tgi_operator.schema.crd import structural_schema

Schema = Mapping[str, Any]

_HEADER = "<!-- Generated from operator/tgi_operator/api by `make crds`. Do not edit. -->"

_CONDITIONS = {
    ConditionType.READY: ("always", "The current generation of the spec is rolled out and serving requests."),
    ConditionType.AVAILABLE: ("always", "The endpoint accepts requests, with the current revision or an older one."),
    ConditionType.RECONCILING: (
        "only while True",
        "The operator or AWS is making changes and continues automatically.",
    ),
    ConditionType.STALLED: (
        "only while True",
        "A user must make a change. The reason and the message describe what to change.",
    ),
    ConditionType.SCALING_ACTIVE: (
        "if `spec.autoscaling` is set",
        "The replica count follows the load. If the condition is False, the reason shows why.",
    ),
}
"""By type: when the condition exists, and its meaning while it is True."""

_REFERENCE = f"""{_HEADER}

# Reference

A `{KIND}` in the `{API_VERSION}` API has a `spec`, which you write, and a `status`, which the operator
writes.

The paths in the tables are relative to `spec` or `status`, and `[]` stands for any item of a list. A field in **bold**
is required if its parent is set.

The API server enforces the bounds and the rules on this page. The operator performs all other checks before it creates
anything. To run both sets of checks without a cluster, use `tgi-operator plan -f FILE`. Only the API server can detect
changes to immutable fields. To check for such changes, run `kubectl apply --dry-run=server -f FILE`. If the
[settings](operations.md#settings) of your operator differ from the defaults, set the same environment variables for
`plan`, such as `TGI_OPERATOR_AWS_REGIONS`. If you have problems, see [Troubleshooting](troubleshooting.md).
"""

_SIZES = """
## Size

Every list, map and string has a maximum size. All strings in a spec together, including names, values and map keys, can
have at most {characters:,} characters. The API server accepts up to {spec} KiB of JSON for a spec and up to {status}
KiB for a status. If you need longer scripts or files, put them in a ConfigMap and mount the ConfigMap.
"""

_POD_TEMPLATE = f"""{_HEADER}

# podTemplate reference

The `spec.inCluster.podTemplate` field changes the TGI pods, as described in [Change the pod](pods.md#change-the-pod).
Its fields have the same names as the fields of a PodTemplateSpec. The API server drops any field that is not listed
here, and kubectl rejects a manifest that contains such a field.

The paths in the table are relative to `spec.inCluster.podTemplate`, and `[]` stands for any item of a list. A field in
**bold** is required if its parent is set. `spec.initContainers[]` has the same fields as `spec.containers[]`, plus
`restartPolicy`.
"""

_TROUBLESHOOTING = """{header}

# Troubleshooting

```sh
kubectl get tgi NAME -o wide       # the Ready condition, its reason and its message
kubectl describe tgi NAME          # all conditions and Events
tgi-operator plan -f FILE          # the problems in a file, without a cluster
```

## Do I need to act?

```console
$ kubectl get tgi
NAME              READY   REASON                 STATUS     MODEL              ON
zephyr-7b         True    InService              1/1        zephyr-7b-beta     g5.2xlarge
deepseek-r1-70b   False   InsufficientCapacity   0/1 wait   DeepSeek-R1-Dis…   p4de.24xlarge
mixtral-8x7b      False   QuotaExceeded          0/2 act    Mixtral-8x7B-In…   g5.48xlarge
```

The `STATUS` column shows the ready and desired replica counts, followed by at most one word:

| word | condition | meaning |
|---|---|---|
| none | `Ready` is True | The current generation of the spec is rolled out and serving requests. |
| `wait` | `Stalled` is not True | The operator, AWS or Kubernetes continues automatically. |
| `act` | `Stalled` is True | A user must make a change. The reason and the message describe what to change. |

If `act` appears without replica counts, the operator has not created anything yet. In many cases, the operator also
retries automatically, and the message shows the time of the next attempt. `Ready` and `Available` are Unknown while the
operator cannot determine the state of the endpoint in AWS. `Available` shows whether the endpoint accepts requests,
regardless of the revision that is running.

`status.summary`, `status.model` and `status.hardware` are for display only, and their format may change. Programs
should read the conditions instead.

## Wait for an endpoint

`kubectl wait --for=condition=Ready` waits until it times out, even if a user must act first. To fail fast, wait for
`Ready` and `Stalled` at the same time:

```bash
kubectl wait --for=condition=Ready tgi/NAME --timeout=30m & ready=$!
kubectl wait --for=condition=Stalled tgi/NAME --timeout=30m >/dev/null 2>&1 & stalled=$!
wait -n  # until the first of the two ends
kill "$ready" "$stalled" 2>/dev/null
kubectl wait --for=condition=Ready tgi/NAME --timeout=1s || {{ kubectl get tgi NAME -o wide; false; }}
```

Run this script after `kubectl apply`. Its last command succeeds only if the endpoint is Ready. kubectl ignores
conditions that belong to an older generation of the spec. `wait -n` requires Bash 4.3 or later.

To delete a resource and wait until its AWS resources are deleted too:

```bash
kubectl delete tgi NAME --wait=false
kubectl wait --for=delete tgi/NAME --timeout=30m
```

## By symptom

{symptoms}

## Read container logs

On SageMaker, containers write their logs to the `/aws/sagemaker/Endpoints/ENDPOINT` log group in CloudWatch. If a
container fails, the message in the `Ready` condition contains the name of the log group and a link to it.

In the cluster, `status.lastFailure` contains the last log lines, and `kubectl logs` shows the full log:

```sh
kubectl logs -l tgi-operator.dev/name=NAME,app.kubernetes.io/component=server
```

## Retry now

To make the operator check the resource again and immediately repeat a failed attempt,
[request a retry](operations.md#request-an-immediate-retry). You do not need to restart pods because Kubernetes restarts
them automatically.

```sh
kubectl annotate tgi NAME --overwrite tgi-operator.dev/requestedAt="$(date +%s)"
```

## Reasons

This section lists every reason that a condition or an Event can have, along with a fix and a command that shows more
details. In the commands, replace `ENDPOINT` with the value of `status.sageMaker.endpointName` and `REGION` with the
value of `spec.sageMaker.region`.
"""


_SYMPTOMS = (
    (
        "The endpoint stays in `Creating`.",
        "the [container logs](#read-container-logs)",
        (Reason.CONTAINER_NOT_HEALTHY, Reason.UNSCHEDULABLE, Reason.INSUFFICIENT_CAPACITY),
    ),
    (
        "`READY` is False, but the endpoint answers requests.",
        "the `Available` condition and the `Ready` reason",
        (Reason.UPDATING, Reason.UPDATE_ROLLED_BACK),
    ),
    ("Deleting the resource takes a long time.", "the `Ready` message", (Reason.DELETING, Reason.ACCESS_DENIED)),
    (
        "The replica count does not follow the load.",
        "the `ScalingActive` condition",
        (Reason.NO_METRICS, Reason.METRICS_API_MISSING, Reason.POLICY_CONFLICT, Reason.QUOTA_EXCEEDED),
    ),
    (
        "AWS responds with 403.",
        "the message, which names the permission",
        (Reason.ACCESS_DENIED, Reason.INVALID_EXECUTION_ROLE, Reason.MODEL_DATA_NOT_READABLE),
    ),
    ("A deleted resource still costs money.", "the Events in the namespace", (Reason.LEFT_ALONE, Reason.RETAINED)),
)
"""Symptom, the place to look, and the reasons behind it."""

_WIDTH = 120
_RULES = "x-kubernetes-validations"
_TABLE = ("| field | type | bounds | default | meaning |", "|---|---|---|---|---|")

_REPEATED = re.compile(r"\| \W*spec\.initContainers\[\]\.(?!restartPolicy)")
"""Rows of init containers that are the same as those of containers."""

_PAGES_OF_THEIR_OWN = frozenset({"inCluster.podTemplate"})


def reference() -> str:
    """Return the text of docs/reference.md."""
    parts = [_REFERENCE.rstrip(), _sizes().rstrip()]
    for title, model in (("spec", Spec), ("status", Status)):
        schema = structural_schema(model)
        rows = [*_TABLE, *_rows(schema, "")]
        rules = [_wrapped(f"- {path or title}: {message}", "  ") for path, message in _rules(schema, "")]
        parts += [f"\n## {title}\n", *rows, *(["\nRules:\n", *rules] if rules else [])]
    parts += ["\n## Conditions\n", "| type | exists | True means |", "|---|---|---|"]
    parts += [f"| `{kind}` | {there} | {meaning} |" for kind, (there, meaning) in _CONDITIONS.items()]
    parts += [
        "\n## Reasons\n",
        "Reasons that can appear in conditions and Events.\n",
        "| reason | meaning |",
        "|---|---|",
    ]
    parts += [f"| [`{reason}`](troubleshooting.md#{reason.lower()}) | {reason.means} |" for reason in Reason]
    return "\n".join(parts) + "\n"


def pod_template() -> str:
    """Return the text of docs/reference-pod-template.md."""
    rows = [row for row in _rows(structural_schema(PodTemplate), "") if not _REPEATED.match(row)]
    return "\n".join([_POD_TEMPLATE, *_TABLE, *rows]) + "\n"


def _sizes() -> str:
    spec = size.most_bytes_of_a_spec(structural_schema(Spec))
    status = size.most_bytes_of_a_status(structural_schema(Status))
    return _SIZES.format(characters=size.MOST_CHARACTERS, spec=ceil(spec / 1024), status=ceil(status / 1024))


def troubleshooting() -> str:
    """Return the text of docs/troubleshooting.md."""
    symptoms = [f"| {symptom} | {look} | {', '.join(map(_link, usual))} |" for symptom, look, usual in _SYMPTOMS]
    table = "\n".join(("| symptom | where to look | usual reasons |", "|---|---|---|", *symptoms))
    page = _TROUBLESHOOTING.format(header=_HEADER, symptoms=table)
    return "\n".join([page.rstrip(), *map(_section, Reason)]) + "\n"


def _section(reason: Reason) -> str:
    fix = _wrapped(f"**Fix:** {reason.fix}")
    return f"\n### {reason}\n\n{_wrapped(reason.means)}\n\n{fix}\n\n```sh\n{reason.look}\n```"


def _link(reason: Reason) -> str:
    return f"[{reason}](#{reason.lower()})"


def _wrapped(text: str, indent: str = "") -> str:
    return fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _rows(schema: Schema, path: str) -> Iterator[str]:
    """Yield a table row for each field of an object. The rows of nested objects follow their field."""
    required, least = schema.get("required", ()), _least(schema)
    for name, child in schema.get("properties", {}).items():
        full = f"{path}{name}"
        label = f"**`{full}`**" if name in required else f"`{full}`"
        default = f"`{child['default']}`" if "default" in child else ""
        cells = (label, _type(child), _bounds(child, least.get(name)), default, _sentence(child))
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
        if full in _PAGES_OF_THEIR_OWN:
            continue
        items = child.get("items", {})
        yield from _rows(items, f"{full}[].") if items else _rows(child, f"{full}.")


def _type(schema: Schema) -> str:
    if "x-kubernetes-int-or-string" in schema:
        return "integer or string"
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    return str(schema.get("format", schema["type"]))


def _bounds(schema: Schema, least: int | None = None) -> str:
    """Return a short description of the API server's checks of one value, which a rule limits to at least `least`."""
    said = []
    if "enum" in schema:
        said.append(", ".join(f"`{value}`" if value else "an empty string" for value in schema["enum"]))
    low, high = schema.get("minimum") if least is None else least, schema.get("maximum")
    if low is not None:
        said.append(f"{low} or more" if high in (None, INT32_MAX) else f"{low} to {high}")
    said += _counts(schema, "Length", "characters") + _counts(schema, "Items", "items")
    said += _counts(schema, "Properties", "fields" if "properties" in schema else "entries")
    if "pattern" in schema:
        # A rule rejects the B of a quantity, because its message is better than that of the pattern.
        said.append(f"`{schema['pattern'].replace('B?$', '$')}`")
    said += [rule["message"] for rule in _formats(schema)]
    if "items" in schema and (inner := _bounds(schema["items"])):
        said.append(f"each {inner}")
    return "; ".join(said)


def _least(schema: Schema) -> Mapping[str, int]:
    """Return the lower bounds of fields that rules of an object set, because their messages give the reason."""
    rules = (re.fullmatch(r"self[.](\w+) >= (\d+)", each["rule"]) for each in schema.get(_RULES, ()))
    return {found[1]: int(found[2]) for found in rules if found}


def _formats(schema: Schema) -> list[Mapping[str, str]]:
    """Return the rules of a single value that describe its format, whatever it begins with."""
    if "properties" in schema or "items" in schema or "additionalProperties" in schema:
        return []
    rules = schema.get(_RULES, ())
    return [rule for rule in rules if "oldSelf" not in rule["rule"] and "startsWith" not in rule["rule"]]


def _counts(schema: Schema, what: str, unit: str) -> list[str]:
    least, most = schema.get(f"min{what}", 0), schema.get(f"max{what}")
    if most is None:
        return []
    unit = unit.removesuffix("s") if most == 1 else unit
    return [f"{least} to {most} {unit}" if least else f"up to {most} {unit}"]


def _rules(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    """Yield (path, message) of every CEL rule that is not in the tables."""
    formats = _formats(schema)
    for rule in schema.get(_RULES, ()):
        if rule in formats:
            continue
        yield f"`{path}`" if path else "", rule["message"]
    for name, child in schema.get("properties", {}).items():
        yield from _rules(child, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from _rules(schema["items"], f"{path}[]")


def _sentence(schema: Schema) -> str:
    return str(schema.get("description", ""))


def _cell(text: str) -> str:
    """Return `text` escaped for a cell of a table."""
    return re.sub(r"\s+", " ", text).replace("|", r"\|")


PAGES: Mapping[str, Callable[[], str]] = {
    "reference.md": reference,
    "reference-pod-template.md": pod_template,
    "troubleshooting.md": troubleshooting,
}


def main(arguments: list[str]) -> None:
    """Write the pages to a folder, or to standard output if none is named."""
    for name, page in PAGES.items():
        if arguments:
            Path(arguments[0], name).write_text(page())
        else:
            sys.stdout.write(page())


if __name__ == "__main__":
    main(sys.argv[1:])
