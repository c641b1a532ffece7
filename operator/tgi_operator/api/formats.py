"""Formats of texts: regular expressions that users never see, each with a sentence and an example.

A format becomes a CEL rule of the CRD and a check of the type. The API server shows the message of the rule, and
`tgi-operator plan` shows the same sentence.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Form:
    """The form of texts that begin with `prefix`: they contain the pattern, otherwise `message` describes the error.

    The pattern and the message have no quotes or backslashes, which the rules would have to escape.
    """

    pattern: str
    message: str
    prefix: str = ""

    @property
    def rule(self) -> str:
        """The CEL rule."""
        matches = f"self.matches('{self.pattern}')"
        return f"!self.startsWith('{self.prefix}') || {matches}" if self.prefix else matches

    def fits(self, text: str) -> bool:
        """Return whether a text has this form."""
        # In CEL `$` matches only the end of the text, in Python also before a final line break.
        return not text.startswith(self.prefix) or re.search(self.pattern.replace("$", r"\Z"), text) is not None


class Format:
    """Metadata of a text type: the forms that its values must match."""

    def __init__(self, *forms: Form) -> None:
        self._forms = forms

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of the type with the check of the forms."""
        return core_schema.no_info_after_validator_function(self.checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the JSON schema of the type with the rules."""
        rules = [{"rule": form.rule, "message": form.message} for form in self._forms]
        return handler(schema) | {"x-kubernetes-validations": rules}

    def checked(self, text: str) -> str:
        """Return the text. Raises ValueError with the sentence of the first form that the text does not match."""
        for form in self._forms:
            if not form.fits(text):
                raise ValueError(form.message)
        return text


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LETTERS = "lowercase letters, digits and '-', starting and ending with a letter or digit"

OwnName = Annotated[
    str, Field(max_length=63), Format(Form(f"^{_LABEL}$", f"must consist of {_LETTERS}, such as office-hours"))
]
"""A name that the spec gives to one of its parts."""

_ObjectName = Annotated[str, Field(min_length=1, max_length=253)]
_OBJECT_NAME = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


def _name_of(what: str, example: str) -> Format:
    sentence = f"must be the name of {what} (lowercase letters, digits, '-' and '.'), such as {example}"
    return Format(Form(_OBJECT_NAME, sentence))


SecretName = Annotated[_ObjectName, _name_of("a Secret", "hub-token")]
ClaimName = Annotated[_ObjectName, _name_of("a PVC", "weights")]
ServiceAccountName = Annotated[_ObjectName, _name_of("a service account", "weights-reader")]
