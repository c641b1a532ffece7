"""The prose linter finds errors at the right line, and nothing else."""

from pathlib import Path

import pytest
import yaml

from tgi_sandbox.prose import check, scope
from tgi_sandbox.prose.__main__ import main
from tgi_sandbox.prose.check import Finding
from tgi_sandbox.prose.scope import Source

ROOT = Path(__file__).parents[3]
SENTENCES = yaml.safe_load(Path(__file__).with_name("sentences.yaml").read_text())
WRONG = [(rule, sentence) for rule, sentences in SENTENCES["wrong"].items() for sentence in sentences]
RIGHT: list[str] = SENTENCES["right"]


def _check(folder: Path, text: str, view: str = "markdown") -> list[Finding]:
    page = folder / "page"
    page.write_text(text)
    return check.findings(folder, [Source(page, view)])


@pytest.fixture(scope="module")
def of_wrong(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    return _check(tmp_path_factory.mktemp("wrong"), "\n\n".join(sentence for _, sentence in WRONG))


@pytest.mark.parametrize(("number", "rule"), [(number, rule) for number, (rule, _) in enumerate(WRONG)])
def test_a_wrong_sentence_is_found_in_its_line(number: int, rule: str, of_wrong: list[Finding]) -> None:
    assert (2 * number + 1, rule) in {(finding.line, finding.rule) for finding in of_wrong}, WRONG[number]


def test_every_rule_has_a_wrong_sentence() -> None:
    assert {rule.stem for rule in check.STYLES.glob("Project/*.yml")} == SENTENCES["wrong"].keys()


def test_right_sentences_are_not_found(tmp_path: Path) -> None:
    assert [str(finding) for finding in _check(tmp_path, "\n\n".join(RIGHT))] == []


@pytest.mark.parametrize(
    ("view", "text", "line"),
    [
        ("markdown", "# Title\n\n- An item\n- It puts right what changed.\n", 4),
        ("markdown", "| change | effect |\n|---|---|\n| one | none |\n| two | is put right |\n", 4),
        ("markdown", "| change | effect |\n|---|---|\n| one | What serves goes on. |\n", 3),
        ("markdown", "```sh\necho told\n```\n\nIt was told.\n", 5),
        ("comments", "# Right.\na: 1\nb: 2 # As told.\n", 3),
        ("comments", "a: 1\n  # What serves\n  # is being created.\n", 2),
        ("template", "{{ .Release.Name }} is put right.\n", 1),
        ("descriptions", "a:\n  description: |-\n    Right.\n    It is told.\n", 4),
        ("descriptions", "a:\n  description: Right and\n    told.\nb: told\n", 3),
        ("python", '"""Right."""\n\nA = 1\n"""It is\n\ntold."""\n', 6),
        ("python", 'A = "told"\n# As told.\n', 2),
        ("messages", '"""Told."""\nA = "told"\nB = f"it is told {A}"\n', 3),
    ],
)
def test_prose_is_found_in_every_kind_of_file(view: str, text: str, line: int, tmp_path: Path) -> None:
    found = [finding for finding in _check(tmp_path, text, view) if finding.severity == check.ERROR]
    assert [finding.line for finding in found] == [line]


def test_long_lines_are_found_where_they_can_be_wrapped(tmp_path: Path) -> None:
    long = "word " * 24 + "end."
    text = f"{long}\n\n{long[2:]}\n\n| a |\n|---|\n| {long} |\n\n```sh\n{long}\n```\n\n## {long}\n"
    found = [finding for finding in _check(tmp_path, text) if finding.rule == "LineLength"]
    assert [finding.line for finding in found] == [1, 3]


def test_a_finding_names_its_place(tmp_path: Path) -> None:
    (finding,) = _check(tmp_path, "Right.\n\nIt is told.\n")
    assert str(finding) == "page:3: Write 'reported' instead of 'told'. (Terms)"


def test_vale_that_fails_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_CONFIGURATION", tmp_path / "missing.ini")
    with pytest.raises(check.ValeError):
        _check(tmp_path, "Right.\n")


def test_a_pattern_without_a_file_is_a_mistake(tmp_path: Path) -> None:
    part = scope.Part("pages", "markdown", ("*.md",))
    with pytest.raises(LookupError, match=r"pages: \*\.md matches no file"):
        part.sources(tmp_path)


def test_all_prose_is_checked() -> None:
    listed = {source.path for part in scope.parts() for source in part.sources(ROOT)}
    patterns = (
        "*.md",
        "docs/**/*.md",
        "crds/*.yaml",
        "manifests/**/*.yaml",
        "manifests/**/NOTES.txt",
        ".github/**/*.yml",
    )
    code = ("operator/**/*.py", "sandbox/**/*.py", "tests/**/*.py")
    files = {path for pattern in (*patterns, *code) for path in ROOT.glob(pattern)}
    assert files - listed == set()


def test_the_command_prints_findings_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.md").write_text("It is told.\n")
    table = tmp_path / "scope.yaml"
    table.write_text("[{name: pages, view: markdown, files: [page.md]}]\n")
    monkeypatch.setattr(scope, "TABLE", table)
    monkeypatch.chdir(tmp_path)
    assert main([]) == 1
    assert "page.md:1: Write 'reported'" in capsys.readouterr().out
    (tmp_path / "page.md").write_text("It is reported.\n")
    assert main([]) == 0
