"""The rules as a policy pack, which `pulumi preview --policy-pack policy` runs in policy/.venv."""

# pulumi_policy is in policy/.venv only: it needs other versions of protobuf and grpcio than the program.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy import waivers
from policy.check import plain, plain_type
from policy.model import Resource, ResourceRule, Rule, StackRule, Violation
from policy.rules import BY_NAME, RULES


class Pack:
    """Passes resources to the rules, and reports their violations to the engine.

    The engine passes the inputs of a resource before it is created, and its outputs when the whole stack is
    checked. Stack rules need both, so the inputs are stored.
    """

    def __init__(self) -> None:
        self._waivers, self._problems = waivers.load(BY_NAME, waivers.today())
        self._inputs: dict[str, Mapping[str, Any]] = {}

    def policies(self) -> list[ResourceValidationPolicy | StackValidationPolicy]:
        waived: list[ResourceValidationPolicy | StackValidationPolicy] = [
            ResourceValidationPolicy(
                name="waived",
                description="Violations by single resources that policy/waivers.toml waives.",
                enforcement_level=EnforcementLevel.ADVISORY,
                validate=self._waived_of_resource,
            ),
            StackValidationPolicy(
                name="waivers",
                description="Violations by the stack that policy/waivers.toml waives, and invalid waivers.",
                enforcement_level=EnforcementLevel.ADVISORY,
                validate=self._waived_of_stack,
            ),
        ]
        return [*(self._policy(rule) for rule in RULES), *waived]

    def _policy(self, rule: ResourceRule | StackRule) -> ResourceValidationPolicy | StackValidationPolicy:
        description = f"{rule.title} {rule.why}"
        if isinstance(rule, ResourceRule):
            return ResourceValidationPolicy(
                name=rule.name,
                description=description,
                enforcement_level=EnforcementLevel.MANDATORY,
                validate=self._of_resource(rule),
            )
        return StackValidationPolicy(
            name=rule.name,
            description=description,
            enforcement_level=EnforcementLevel.MANDATORY,
            validate=self._of_stack(rule),
        )

    def _of_resource(self, rule: ResourceRule) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            standing, _ = waivers.apply(list(rule.judge(self._resource(args))), self._waivers)
            _report(standing, report)

        return validate

    def _of_stack(self, rule: StackRule) -> Callable[[StackValidationArgs, ReportViolation], None]:
        def validate(args: StackValidationArgs, report: ReportViolation) -> None:
            standing, _ = waivers.apply(list(rule.judge(self._stack(args))), self._waivers)
            _report(standing, report)

        return validate

    def _waived_of_resource(self, args: ResourceValidationArgs, report: ReportViolation) -> None:
        rules = [rule for rule in RULES if isinstance(rule, ResourceRule)]
        self._report_waived(rules, self._resource(args), report)

    def _waived_of_stack(self, args: StackValidationArgs, report: ReportViolation) -> None:
        for problem in self._problems:
            report(problem)
        rules = [rule for rule in RULES if isinstance(rule, StackRule)]
        self._report_waived(rules, self._stack(args), report)

    def _report_waived(self, rules: Iterable[Rule], subject: Any, report: ReportViolation) -> None:
        violations = [violation for rule in rules for violation in cast("Any", rule).judge(subject)]
        for violation, waiver in waivers.apply(violations, self._waivers)[1]:
            report(f"{violation.rule} is {waiver}. {violation}", violation.urn)

    def _resource(self, args: ResourceValidationArgs) -> Resource:
        inputs = _bare(args.props)
        self._inputs[args.urn] = inputs
        return Resource(
            plain_type(args.resource_type),
            args.name,
            args.urn,
            inputs,
            args.opts.protect,
            args.opts.parent or "",
        )

    def _stack(self, args: StackValidationArgs) -> list[Resource]:
        resources: list[Resource] = []
        for resource in args.resources:
            outputs = _bare(resource.props)
            resources.append(
                Resource(
                    type=plain_type(resource.resource_type),
                    name=resource.name,
                    urn=resource.urn,
                    props=self._inputs.get(resource.urn, outputs),
                    protect=resource.opts.protect,
                    parent=resource.parent.urn if resource.parent else "",
                    outputs=outputs,
                )
            )
        return resources


def _report(violations: Sequence[Violation], report: ReportViolation) -> None:
    for violation in violations:
        report(str(violation), violation.urn)


def _bare(props: Any) -> dict[str, Any]:
    """The properties without pulumi_policy's proxies, which raise when an unknown value is read."""
    return plain(_unproxied(props))


def _unproxied(value: Any) -> Any:
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, Mapping | Sequence):
        target = cast("Any", value)["__target"] if _is_proxy(value) else value
        if isinstance(target, Mapping):
            return {key: _unproxied(member) for key, member in cast("Mapping[str, Any]", target).items()}
        return [_unproxied(element) for element in cast("Sequence[Any]", target)]
    return value


def _is_proxy(value: object) -> bool:
    return type(value).__module__ == "pulumi_policy.proxy"


def main() -> None:
    PolicyPack(name="assistant", policies=Pack().policies(), description="The rules for every stack.")
