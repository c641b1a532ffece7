"""The part of CEL, the language of the CRD's rules, that these rules use, for objects in JSON form.

Its only arithmetic is sums, and it has no types of its own. Unknown elements raise UnknownExpressionError when a rule
is parsed, so no rule is only partly understood. `tests/integration/crd` compares it with the API server.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Scope = Mapping[str, Any]
Node = Callable[[Scope], Any]

_TOKEN = re.compile(r"\s*(?:(\d+)|'([^'\\]*)'|([A-Za-z_]\w*)|(&&|\|\||[=!<>]=|[!<>?:.,+()\[\]])|$)")

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "in": lambda item, items: item in items,
}
_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {"size": len, "string": str}
_METHODS: Mapping[str, Callable[..., Any]] = {
    "sum": sum,
    "join": "".join,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "lowerAscii": str.lower,
    "matches": lambda text, pattern: re.search(pattern.replace("$", r"\Z"), text) is not None,
}
_MACROS: Mapping[str, Callable[[Iterable[Any]], Any]] = {
    "all": all,
    "exists_one": lambda found: sum(found) == 1,
    "map": list,
}


class UnknownExpressionError(ValueError):
    """The rule has an unknown element, which the text describes."""


def parse(rule: str) -> Node:
    """Return the rule as a function of its variables, such as `self`. Raises UnknownExpressionError."""
    return _Parser(rule).whole()


@dataclass(frozen=True)
class _Field:
    """A field of an object, and the object. `has` evaluates only the latter."""

    holder: Node
    name: str

    def __call__(self, scope: Scope) -> Any:
        return self.holder(scope)[self.name]

    def has(self, scope: Scope) -> bool:
        """Return whether the object has the field."""
        return self.name in self.holder(scope)


class _Parser:
    """Parses one rule from left to right, with a method for each precedence of CEL's grammar."""

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(rule):
            found = _TOKEN.match(rule, position)
            if found is None:
                raise UnknownExpressionError(f"{rule}: not known from {rule[position:]!r} on")
            kinds = zip(("number", "text", "name", "sign"), found.groups(), strict=True)
            self._tokens += [(kind, text) for kind, text in kinds if text is not None]
            position = found.end()
        self._tokens.append(("end", ""))

    def whole(self) -> Node:
        node = self._conditional()
        if self._tokens[0][0] != "end":
            raise self._unknown()
        return node

    def _conditional(self) -> Node:
        condition = self._any()
        if not self._take("?"):
            return condition
        then = self._conditional()
        self._expect(":")
        otherwise = self._conditional()
        return lambda scope: then(scope) if condition(scope) else otherwise(scope)

    def _any(self) -> Node:
        nodes = [self._every()]
        while self._take("||"):
            nodes.append(self._every())
        return nodes[0] if len(nodes) == 1 else lambda scope: any(node(scope) for node in nodes)

    def _every(self) -> Node:
        nodes = [self._comparison()]
        while self._take("&&"):
            nodes.append(self._comparison())
        return nodes[0] if len(nodes) == 1 else lambda scope: all(node(scope) for node in nodes)

    def _comparison(self) -> Node:
        left = self._addition()
        sign = self._tokens[0][1]
        if self._tokens[0][0] not in ("sign", "name") or sign not in _COMPARISONS:
            return left
        self._tokens.pop(0)
        right = self._addition()
        return lambda scope: _COMPARISONS[sign](left(scope), right(scope))

    def _addition(self) -> Node:
        nodes = [self._negation()]
        while self._take("+"):
            nodes.append(self._negation())
        return nodes[0] if len(nodes) == 1 else lambda scope: sum(node(scope) for node in nodes)

    def _negation(self) -> Node:
        if self._take("!"):
            negated = self._negation()
            return lambda scope: not negated(scope)
        node = self._primary()
        while True:
            if self._take("."):
                name = self._name()
                node = self._method(node, name) if self._take("(") else _Field(node, _unescaped(name))
            elif self._take("["):
                node = self._value_of(node)
            else:
                return node

    def _value_of(self, of: Node) -> Node:
        key = self._conditional()
        self._expect("]")
        return lambda scope: of(scope)[key(scope)]

    def _method(self, of: Node, name: str) -> Node:
        if name in _MACROS:
            variable = self._name()
            self._expect(",")
            body = self._conditional()
            self._expect(")")
            return lambda scope: _MACROS[name](body({**scope, variable: item}) for item in of(scope))
        arguments = self._list(")")
        if name not in _METHODS:
            raise UnknownExpressionError(f"{self._rule}: no method {name} is known")
        return lambda scope: _METHODS[name](of(scope), *(node(scope) for node in arguments))

    def _primary(self) -> Node:
        kind, text = self._tokens.pop(0)
        if kind in ("number", "text"):
            value = int(text) if kind == "number" else text
            return lambda _: value
        if kind == "name":
            return self._call(text) if self._take("(") else lambda scope: scope[text]
        if text == "(":
            node = self._conditional()
            self._expect(")")
            return node
        if text == "[":
            items = self._list("]")
            return lambda scope: [item(scope) for item in items]
        self._tokens.insert(0, (kind, text))
        raise self._unknown()

    def _call(self, name: str) -> Node:
        arguments = self._list(")")
        if name == "has" and len(arguments) == 1 and isinstance(arguments[0], _Field):
            return arguments[0].has
        if name not in _FUNCTIONS or len(arguments) != 1:
            raise UnknownExpressionError(f"{self._rule}: no function {name} is known")
        return lambda scope: _FUNCTIONS[name](arguments[0](scope))

    def _list(self, end: str) -> list[Node]:
        """Return the values between commas, up to and with the sign `end`."""
        nodes: list[Node] = []
        while not self._take(end):
            if nodes:
                self._expect(",")
            nodes.append(self._conditional())
        return nodes

    def _name(self) -> str:
        kind, text = self._tokens.pop(0)
        if kind != "name":
            raise UnknownExpressionError(f"{self._rule}: a name is missing before {text!r}")
        return text

    def _take(self, sign: str) -> bool:
        if self._tokens[0] != ("sign", sign):
            return False
        self._tokens.pop(0)
        return True

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._unknown()

    def _unknown(self) -> UnknownExpressionError:
        return UnknownExpressionError(f"{self._rule}: {self._tokens[0][1] or 'its end'!r} is not known there")


def _unescaped(name: str) -> str:
    """Return the JSON name of a field whose name is a reserved word of CEL, such as __namespace__."""
    return name.removeprefix("__").removesuffix("__")
