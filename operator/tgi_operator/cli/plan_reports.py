"""The output of `plan`: YAML for people and programs, JSON, or annotations of a GitHub workflow."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from tgi_operator.cli.input_files import Document

FORMATS = ("yaml", "json", "github")


@dataclass(frozen=True)
class Hardware:
    """From `least` to `most` instances or pods of a `kind`, each with this many GPUs of a model."""

    kind: str
    gpu: str
    gpus: int
    least: int
    most: int


@dataclass(frozen=True)
class Result:
    """The plan of a resource, or the reason why it is refused."""

    file: str
    name: str
    documents: tuple[Document, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    hardware: Hardware | None = None


def report(results: Sequence[Result], form: str, *, strict: bool) -> None:
    """Print the results. With `strict`, warnings are errors."""
    if form == "github":
        _print_annotations(results, strict=strict)
        return
    severity = "Error" if strict else "Warning"
    for result in results:
        sys.stderr.writelines(f"{result.name}: {problem}\n" for problem in result.problems)
        sys.stderr.writelines(f"{result.name}: {severity}: {warning}\n" for warning in result.warnings)
    sys.stderr.flush()
    if form == "json":
        _print_json(results)
    else:
        _print_yaml(results)


def unreadable(error: str, form: str) -> None:
    """Print the reason why no resource was read."""
    if form == "github":
        sys.stdout.write(f"::error::{_escaped(error)}\n")
    else:
        sys.stderr.write(f"{error}\n")


def _print_yaml(results: Sequence[Result]) -> None:
    accepted = [each for each in results if not each.problems]
    separator = ""
    for result in accepted:
        sys.stdout.write(f"{separator}# {result.name}\n")
        yaml.safe_dump_all(result.documents, sys.stdout, sort_keys=False)
        separator = "---\n"
    if accepted:
        sys.stdout.write(f"# {summary(results)}\n")


def _print_json(results: Sequence[Result]) -> None:
    resources = [
        {
            "file": each.file,
            "name": each.name,
            "documents": each.documents,
            "warnings": each.warnings,
            "problems": each.problems,
        }
        for each in results
    ]
    sys.stdout.write(f"{json.dumps({'resources': resources, 'summary': summary(results)}, indent=2)}\n")


def _print_annotations(results: Sequence[Result], *, strict: bool) -> None:
    """Print the workflow commands with which GitHub shows messages at a file."""
    for result in results:
        place = f"file={_property(result.file)},title={_property(result.name)}"
        sys.stdout.writelines(f"::error {place}::{_escaped(problem)}\n" for problem in result.problems)
        level = "error" if strict else "warning"
        sys.stdout.writelines(f"::{level} {place}::{_escaped(warning)}\n" for warning in result.warnings)
    sys.stdout.write(f"::notice::{_escaped(summary(results))}\n")


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def summary(results: Sequence[Result]) -> str:
    """Return one line about all results, such as `Plan: 3 AWS calls, 1 ml.g5.2xlarge (1 A10G), 0 warnings`."""
    documents = [document for each in results for document in each.documents]
    objects = sum("kind" in document for document in documents)
    parts = [
        _counted(len(documents) - objects, "AWS call"),
        _counted(objects, "object"),
        *_hardware([each.hardware for each in results if each.hardware is not None]),
    ]
    warnings = sum(len(each.warnings) for each in results)
    refused = sum(bool(each.problems) for each in results)
    counts = [f"{warnings} warning{'' if warnings == 1 else 's'}", f"{refused} rejected" if refused else ""]
    return f"Plan: {', '.join(part for part in [*parts, *counts] if part)}"


def _hardware(found: Sequence[Hardware]) -> list[str]:
    texts = []
    for kind, gpu in dict.fromkeys((each.kind, each.gpu) for each in found):
        same = [each for each in found if (each.kind, each.gpu) == (kind, gpu)]
        count = _range(sum(each.least for each in same), sum(each.most for each in same))
        of_gpus = _range(sum(each.least * each.gpus for each in same), sum(each.most * each.gpus for each in same))
        plural = "s" if kind == "pod" and count != "1" else ""
        texts.append(f"{count} {kind}{plural} ({of_gpus} {gpu})")
    return texts


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""
