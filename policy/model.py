"""The input and the output of rules. Pure: does not depend on the Pulumi engine."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Represents a value that is not known before the update (pulumi/pulumi sdk/go/common/resource/plugin)."""

SECRET = "[secret]"  # noqa: S105 # the placeholder of a secret, not a secret itself
"""Represents a value that the engine keeps secret."""


@dataclass(frozen=True)
class Resource:
    """One resource of a program.

    `type`: without an API version; `props`: the inputs in camelCase as the engine passes them, with unknown
    values as `UNKNOWN`; `outputs`: the outputs in the same form, empty in a first preview.
    """

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    protect: bool = False
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])

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


Finding = tuple[Resource, str, str, str, str]
"""A resource that breaks a rule, and `what`, `value`, `must` and `fix` of its `Violation`."""


@dataclass(frozen=True)
class Rule:
    """`title`: the rule in one sentence; `why`: its reason.

    `of_stack`: it needs the complete list of resources; other rules judge each resource by itself.
    """

    name: str
    title: str
    why: str
    of_stack: bool
    find: Callable[[Sequence[Resource]], Iterable[Finding]]

    def judge(self, resources: Sequence[Resource]) -> list[Violation]:
        return [
            Violation(self.name, resource.urn, resource.name, what, value, must, fix)
            for resource, what, value, must, fix in self.find(resources)
        ]


def is_hidden(value: object) -> bool:
    return value in (UNKNOWN, SECRET)


def stack_of(urn: str) -> str:
    """`dev` of `urn:pulumi:dev::assistant::…`."""
    return urn.split("::", maxsplit=1)[0].rpartition(":")[2]


def project_of(urn: str) -> str:
    """`assistant` of `urn:pulumi:dev::assistant::…`."""
    return (*urn.split("::"), "")[1]
