"""The rules as a policy pack, which `pulumi preview --policy-pack policy` runs in policy/.venv."""

# pulumi_policy is in policy/.venv only: it needs other versions of protobuf and grpcio than the program.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationPolicy,
    StackValidationPolicy,
)

from policy import waivers
from policy.check import plain, plain_type
from policy.model import Resource, Rule, Violation
from policy.rules import RULES

_Policy: TypeAlias = ResourceValidationPolicy | StackValidationPolicy


class Pack:
    """Passes resources to the rules, and reports their violations to the engine.

    The engine passes the inputs of a resource before it is created, and its outputs when the whole stack is
    checked. Stack rules need both, so the inputs are stored.
    """

    def __init__(self) -> None:
        self._waivers, self._problems = waivers.load(waivers.today())
        self._inputs: dict[str, Mapping[str, Any]] = {}

    def policies(self) -> list[_Policy]:
        """A mandatory policy for each rule, and two advisory ones for what waivers.toml waives."""
        return [
            *map(self._mandatory, RULES),
            self._advisory("waived", "Waived violations by single resources.", of_stack=False),
            self._advisory("waivers", "Waived violations by the stack, and invalid waivers.", of_stack=True),
        ]

    def _mandatory(self, rule: Rule) -> _Policy:
        def validate(args: Any, report: ReportViolation) -> None:
            standing, _ = self._judge([rule], args)
            for violation in standing:
                report(str(violation), violation.urn)

        description = f"{rule.title} {rule.why}"
        return _policy(rule.of_stack, rule.name, description, EnforcementLevel.MANDATORY, validate)

    def _advisory(self, name: str, description: str, *, of_stack: bool) -> _Policy:
        rules = [rule for rule in RULES if rule.of_stack == of_stack]

        def validate(args: Any, report: ReportViolation) -> None:
            for problem in self._problems if of_stack else ():
                report(problem)
            _, waived = self._judge(rules, args)
            for violation, waiver in waived:
                report(f"{violation.rule} is {waiver}. {violation}", violation.urn)

        return _policy(of_stack, name, description, EnforcementLevel.ADVISORY, validate)

    def _judge(
        self, rules: Sequence[Rule], args: Any
    ) -> tuple[list[Violation], list[tuple[Violation, waivers.Waiver]]]:
        resources = self._stack(args) if rules[0].of_stack else [self._resource(args)]
        violations = [violation for rule in rules for violation in rule.judge(resources)]
        return waivers.apply(violations, self._waivers)

    def _resource(self, args: Any) -> Resource:
        """The resource of ResourceValidationArgs."""
        self._inputs[args.urn] = inputs = _bare(args.props)
        return Resource(plain_type(args.resource_type), args.name, args.urn, inputs, args.opts.protect)

    def _stack(self, args: Any) -> list[Resource]:
        """The resources of StackValidationArgs."""
        resources: list[Resource] = []
        for resource in args.resources:
            type_, urn, outputs = plain_type(resource.resource_type), resource.urn, _bare(resource.props)
            inputs = self._inputs.get(urn, outputs)
            resources.append(Resource(type_, resource.name, urn, inputs, resource.opts.protect, outputs))
        return resources


def _policy(
    of_stack: bool, name: str, description: str, level: EnforcementLevel, validate: Callable[..., None]
) -> _Policy:
    policy = StackValidationPolicy if of_stack else ResourceValidationPolicy
    return policy(name=name, description=description, enforcement_level=level, validate=validate)


def _bare(props: Any) -> dict[str, Any]:
    """The properties without pulumi_policy's proxies, which raise when an unknown value is read."""
    return plain(_unproxied(props))


def _unproxied(value: Any) -> Any:
    if isinstance(value, str | bytes) or not isinstance(value, Mapping | Sequence):
        return value
    is_proxy = type(cast("object", value)).__module__ == "pulumi_policy.proxy"
    target = cast("Any", value)["__target"] if is_proxy else value
    if isinstance(target, Mapping):
        return {key: _unproxied(member) for key, member in cast("Mapping[str, Any]", target).items()}
    return [_unproxied(element) for element in cast("Sequence[Any]", target)]


def main() -> None:
    PolicyPack(name="assistant", policies=Pack().policies(), description="The rules for every stack.")
