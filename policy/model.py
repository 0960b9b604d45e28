"""The input and the output of rules. Pure: does not depend on the Pulumi engine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Represents a value that is not known before the update (pulumi/pulumi sdk/go/common/resource/plugin)."""

SECRET = "[secret]"  # noqa: S105 # the placeholder of a secret, not a secret itself
"""Represents a value that the engine keeps secret."""

EMPTY: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Resource:
    """One resource of a program.

    `type`: without an API version; `props`: the inputs in camelCase as the engine passes them, with unknown
    values as `UNKNOWN`; `outputs`: the outputs in the same form, empty in a first preview; `parent`: a URN.
    """

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    protect: bool = False
    parent: str = ""
    outputs: Mapping[str, Any] = field(default_factory=lambda: EMPTY)

    @property
    def stack(self) -> str:
        return stack_of(self.urn)

    @property
    def project(self) -> str:
        return project_of(self.urn)

    def get(self, path: str) -> Any:
        """The value at `a.b`; None if it is not set, UNKNOWN or SECRET if it or one of its parents is."""
        value: Any = self.props
        for key in path.split("."):
            if is_hidden(value):
                return value
            if not isinstance(value, Mapping):
                return None
            value = cast("Mapping[str, Any]", value).get(key)
        return value


@dataclass(frozen=True)
class Violation:
    """`what` of `resource` (a logical name) is `value`; `must` completes "it must ..."; `fix` says how."""

    rule: str
    urn: str
    resource: str
    what: str
    value: str
    must: str
    fix: str

    def __str__(self) -> str:
        text = f"{self.resource}: {self.what} is {self.value}; it must {self.must}. To fix it: {self.fix}"
        # One line even if a name has line breaks: GitHub's runner would run a line that begins with `::`.
        return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


@dataclass(frozen=True)
class Rule:
    """`title`: the rule in one sentence; `why`: its reason, for the documentation."""

    name: str
    title: str
    why: str


@dataclass(frozen=True)
class ResourceRule(Rule):
    """Checked for each resource, before it is created."""

    judge: Callable[[Resource], Iterator[Violation]]


@dataclass(frozen=True)
class StackRule(Rule):
    """Checked once for all resources of the stack; needs the complete list."""

    judge: Callable[[Sequence[Resource]], Iterator[Violation]]


def is_unknown(value: object) -> bool:
    return value == UNKNOWN


def is_hidden(value: object) -> bool:
    return value in (UNKNOWN, SECRET)


def stack_of(urn: str) -> str:
    """`dev` of `urn:pulumi:dev::assistant::…`."""
    return urn.split("::", maxsplit=1)[0].rpartition(":")[2]


def project_of(urn: str) -> str:
    """`assistant` of `urn:pulumi:dev::assistant::…`."""
    return (*urn.split("::"), "")[1]
