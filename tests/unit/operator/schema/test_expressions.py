"""The subset of CEL that the rules of the CRD use."""

from typing import Any

import pytest

from tgi_operator.schema.expressions import UnknownExpressionError, parse

SELF: dict[str, Any] = {
    "name": "Falcon-7b",
    "namespace": "ml",
    "count": 3,
    "off": False,
    "empty": {},
    "words": ["one", "three"],
    "items": [{"type": "a", "n": 1}, {"type": "b"}, {"type": "b"}],
}


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("has(self.name) && !has(self.other)", True),
        ("!has(self.other) || self.other > 3", True),
        ("has(self.empty.a)", False),
        ("self.off || self.count == 3 && self.off", False),
        ("(self.off || self.count == 3) && !self.off", True),
        ("has(self.name) != has(self.count)", False),
        ("self.count <= 3 && self.count >= 3 && !(self.count < 3) && !(self.count > 3)", True),
        ("self.name.lowerAscii().startsWith('falcon')", True),
        ("self.name.startsWith('falcon')", False),
        ("self.name.endsWith('7b') && !string(self.count).endsWith('7b')", True),
        ("self.name.matches('^[A-Z][a-z]+-[0-9]b$')", True),
        ("self.name.matches('[0-9]')", True),
        ("size(self.items) == 3 && size(self.name) == 9", True),
        ("string(self.count) == '3' && string(self.name) == 'Falcon-7b'", True),
        ("self.items.all(x, has(x.n) ? x.n == 1 : x.type == 'b')", True),
        ("self.items.all(x, x.type == 'a' || self.items.exists_one(y, y.type == x.type))", False),
        ("[has(self.name), has(self.other)].exists_one(b, b)", True),
        ("self.name in ['a', 'Falcon-7b']", True),
        ("self.name in []", False),
        ("self.count + size(self.name) + 1 == 13", True),
        ("self.items.map(x, size(x.type) + (has(x.n) ? x.n : 0)).sum() == 4", True),
        ("size(self.words.join()) == 8 && self.words.join() == 'onethree'", True),
        ("self.empty.map(k, size(k)).sum() == 0", True),
        ("self.map(k, size(k) + size(k)).sum() > 20", True),
        ("self['name'] == 'Falcon-7b' && self.items.all(x, x['type'] == x.type)", True),
        ("self.__namespace__ == 'ml'", True),
    ],
)
def test_rules(rule: str, value: bool) -> None:
    assert parse(rule)({"self": SELF}) is value


def test_dollar_is_the_end_of_a_text_and_not_of_a_line() -> None:
    assert not parse("self.matches('^a$')")({"self": "a\n"})


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "self.",
        "self.name ==",
        "self.count - 1 == 2",
        "self.count + == 3",
        "self.items[0.type",
        "self.name.contains('b')",
        "duration(self.name)",
        "has(self)",
        "size(self.name",
        'self.name == "a"',
        "self.name self.name",
        "self.items.all(x.type, true)",
        "[self.name",
    ],
)
def test_what_is_not_known_is_never_half_understood(rule: str) -> None:
    with pytest.raises(UnknownExpressionError):
        parse(rule)
