"""A Pulumi stack and its app in Azure, as a release needs them."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from requests import Session

from delivery.package import PACKAGE_VARIABLE, PUSH_AGAIN_VARIABLE
from delivery.retry import retry_until
from ops.azure import Azure
from ops.drift.drift import refresh_findings
from ops.engine import Pulumi
from ops.output import OpsError
from ops.release.smoke import TIMEOUT, SmokeTest, health, target_of
from ops.state import resources, type_and_name
from ops.words import lost_with


@dataclass(frozen=True)
class PulumiStack:
    """`timeout`: seconds for each step of the smoke test.

    `refresh`: refresh the state, so that changes made in Azure outside the program are reverted.
    `smoke_message`: post a message in the smoke test, which uses tokens of the model.
    """

    pulumi: Pulumi
    stack: str
    azure: Azure
    timeout: float = TIMEOUT
    refresh: bool = False
    smoke_message: bool = True
    session: Session = field(default_factory=Session, repr=False)

    def running_package(self) -> str:
        """The hash of the package that the site reports; empty if it reports none."""
        url = self.pulumi.outputs(self.stack).get("functionAppUrl")
        if not url:
            return ""

        def probe() -> str:
            answer = health(self.session, url)
            if answer.status != 200 or "package" not in answer.members():
                raise OpsError(f"{url} reports no package")
            return str(answer.members()["package"])

        with suppress(OpsError):  # an app that is starting may not answer yet
            return retry_until(probe, OpsError, (1.0, 5.0), sleep=time.sleep)
        return ""

    def recorded_package(self) -> str:
        """The hash of the package in the state; empty if there is none."""
        return str(self.pulumi.outputs(self.stack).get("packageHash") or "")

    def preview(self, package: Path) -> dict[str, Any]:
        return self._with(package).preview(self.stack, *self._flags())

    def up(self, package: Path, *, push_again: bool) -> None:
        """Deploy the package. Raises PulumiError."""
        more = {PUSH_AGAIN_VARIABLE: "1"} if push_again else {}
        self._with(package, more).up(self.stack, *self._flags())

    def pending_changes(self, package: Path) -> list[str]:
        """The names of the resources that another `up` would change. Raises OpsError."""
        return changes(self._with(package).preview(self.stack))

    def gone(self) -> list[str]:
        """The names of the resources that were deleted in Azure. Raises OpsError."""
        findings = refresh_findings(self.pulumi.refresh_preview(self.stack))
        return [finding.name for finding in findings if finding.kind == "gone"]

    def smoke(self, package_hash: str) -> list[str]:
        """Run the smoke test. Raises SmokeError if the app fails, OpsError if it cannot be tested."""
        target = target_of(resources(self.pulumi.export(self.stack)))
        return SmokeTest(
            target.url,
            lambda: self.azure.function_key(target.resource_group, target.site_name),
            self.session,
            timeout=self.timeout,
            post_message=self.smoke_message,
        ).run(package_hash)

    def _flags(self) -> list[str]:
        return ["--refresh"] if self.refresh else []

    def _with(self, package: Path, more: Mapping[str, str] | None = None) -> Pulumi:
        variables = {PACKAGE_VARIABLE: str(package), **(more or {})}
        return replace(self.pulumi, environment={**self.pulumi.environment, **variables})


def changes(preview: Mapping[str, Any]) -> list[str]:
    """One line for each resource that a preview would change."""
    steps: list[dict[str, Any]] = preview.get("steps") or []
    return [
        f"{type_and_name(step['urn'])[1]} ({step['op']})"
        for step in steps
        if step["op"] not in ("same", "read", "refresh")
    ]


def data_lost(preview: Mapping[str, Any]) -> list[str]:
    """The logical names of the resources with data that would be deleted or replaced."""
    steps: list[dict[str, Any]] = preview.get("steps") or []
    going = [
        type_and_name(step["urn"]) for step in steps if "delete" in step["op"] or "replace" in step["op"]
    ]
    return list(dict.fromkeys(name for type_, name in going if lost_with(type_, name)))
