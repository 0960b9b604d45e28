"""A Pulumi stack and its app in Azure as an environment of a release (`ops.release.release.Environment`)."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from requests import RequestException, Session

from delivery.package import PACKAGE_VARIABLE, PUSH_AGAIN_VARIABLE, url_path
from ops.azure import Azure
from ops.engine import Pulumi
from ops.locks.recovery import make, recover, run_state_of
from ops.output import OpsError
from ops.release.smoke import TIMEOUT, ChatStateTable, SmokeTest, Target, target_of
from ops.state import resources
from ops.words import lost_with


class PulumiStack:
    """An `Environment` that uses the Pulumi CLI and the Azure SDK.

    `refresh`: refresh the state, so that changes made in Azure outside the program are reverted.
    `smoke_message`: post a message in the smoke test, which uses tokens of the model.
    """

    def __init__(
        self,
        pulumi: Pulumi,
        stack: str,
        azure: Azure,
        timeout: float = TIMEOUT,
        *,
        refresh: bool = False,
        smoke_message: bool = True,
    ) -> None:
        self.stack, self._smoke_message = stack, smoke_message
        self._pulumi, self._azure, self._timeout = pulumi, azure, timeout
        self._flags = ("--refresh",) if refresh else ()
        self._session = Session()

    def running_package(self) -> str:
        url = self._outputs().get("functionAppUrl")
        if not url:
            return ""
        for pause in (1.0, 5.0, 0.0):  # an app that is starting may not answer yet
            try:
                answer = self._session.get(
                    f"{url}{url_path('health')}", timeout=(10, 60), allow_redirects=False
                )
                if answer.status_code == 200:
                    return str(answer.json()["package"])
            except (RequestException, ValueError, KeyError, TypeError):
                pass
            time.sleep(pause)
        return ""

    def exists(self) -> bool:
        return self.stack in self._pulumi.stacks()

    def make(self) -> None:
        """Create the stack unless it exists. Raises LockedError."""
        make(self._pulumi, self.stack, run_state_of(self._pulumi.environment))

    def recover(self) -> None:
        """Recover the stack after a killed job. Raises LockedError."""
        recover(self._pulumi, self.stack, run_state_of(self._pulumi.environment))

    def recorded_package(self) -> str:
        return str(self._outputs().get("packageHash") or "")

    def preview(self, package: Path) -> dict[str, Any]:
        return self._with(package).preview(self.stack, *self._flags)

    def up(self, package: Path, *, push_again: bool) -> None:
        more = {PUSH_AGAIN_VARIABLE: "1"} if push_again else {}
        self._with(package, more).up(self.stack, *self._flags)

    def pending_changes(self, package: Path) -> list[str]:
        return changes(self._with(package).preview(self.stack))

    def smoke(self, package_hash: str) -> list[str]:
        target = target_of(resources(self._pulumi.export(self.stack)))
        return SmokeTest(
            target,
            lambda: self._key(target),
            ChatStateTable(target.table_endpoint, self._azure.credential),
            self._session,
            timeout=self._timeout,
            post_message=self._smoke_message,
        ).run(package_hash)

    def _key(self, target: Target) -> str:
        from azure.core.exceptions import AzureError  # noqa: PLC0415 # azure-mgmt-web takes seconds to import

        try:
            keys = self._azure.web.web_apps.list_host_keys(target.resource_group, target.site_name)
        except AzureError as error:
            why = str(error).splitlines()[0]
            if getattr(error, "status_code", None) == 403:
                right = "Microsoft.Web/sites/host/listkeys/action"
                why = f"{why}. This requires the permission {right} (the role Website Contributor has it)"
            raise OpsError(f"the function keys of {target.site_name} cannot be listed: {why}") from error
        return (keys.function_keys or {}).get("default", "")

    def _outputs(self) -> dict[str, Any]:
        return self._pulumi.outputs(self.stack)

    def _with(self, package: Path, more: dict[str, str] | None = None) -> Pulumi:
        variables = {PACKAGE_VARIABLE: str(package), **(more or {})}
        return replace(self._pulumi, environment={**self._pulumi.environment, **variables})


def changes(preview: Mapping[str, Any]) -> list[str]:
    """One line for each resource that a preview would change."""
    steps: list[dict[str, Any]] = preview.get("steps") or []
    return [
        f"{step['urn'].rpartition('::')[2]} ({step['op']})"
        for step in steps
        if step["op"] not in ("same", "read", "refresh")
    ]


def data_lost(preview: Mapping[str, Any]) -> list[str]:
    """The logical names of the resources with data that would be deleted or replaced."""
    steps: list[dict[str, Any]] = preview.get("steps") or []
    going = [step["urn"] for step in steps if "delete" in step["op"] or "replace" in step["op"]]
    kept = [urn for urn in going if lost_with(urn.split("::")[2].rpartition("$")[2])]
    return list(dict.fromkeys(urn.rpartition("::")[2] for urn in kept))
