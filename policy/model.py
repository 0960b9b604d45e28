"""What rules read and what they say. Pure: nothing here knows of an engine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that is not known before the update (pulumi/pulumi sdk/go/common/resource/plugin)."""

SECRET = "[secret]"  # noqa: S105 # what documents hold where a secret was
"""Stands for a value that the engine keeps secret."""

EMPTY: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Resource:
    """One resource of a program.

    `type` without an API version; `props`: its inputs in camelCase, as the engine has them, unknown ones
    as `UNKNOWN`; `outputs`: the same of what Azure answered, empty in a first preview; `parent`: a URN.
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
        """The value at `a.b`; None where nothing is said, UNKNOWN or SECRET where it or one above is that."""
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
    """`what` of `resource` (its logical name) is `value`; `must` says what it has to be, `fix` mends it."""

    rule: str
    urn: str
    resource: str
    what: str
    value: str
    must: str
    fix: str

    def __str__(self) -> str:
        text = f"{self.resource}: {self.what} is {self.value}; it must {self.must}. To mend it: {self.fix}"
        # One line, whatever a name holds: a line of its own could be a command to GitHub's runner.
        return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


@dataclass(frozen=True)
class Rule:
    """`title`: what holds, in one line; `why`: the reason, for the documentation."""

    name: str
    title: str
    why: str


@dataclass(frozen=True)
class ResourceRule(Rule):
    """Judged for each resource by itself, before it is made."""

    judge: Callable[[Resource], Iterator[Violation]]


@dataclass(frozen=True)
class StackRule(Rule):
    """Judged over all resources of the stack; says something only of a list that is complete."""

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
