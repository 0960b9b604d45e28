"""Clients of the Azure SDK. As for the azure-native provider, ARM_* select the cloud and the credential."""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from requests import Session

from delivery import signin
from ops.output import OpsError

if TYPE_CHECKING:
    from azure.mgmt.authorization.v2022_04_01 import AuthorizationManagementClient
    from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
    from azure.mgmt.resource.resources import ResourceManagementClient
    from azure.mgmt.web import WebSiteManagementClient

_LIST_KEYS = "Microsoft.Web/sites/host/listkeys/action (the role Website Contributor has it)"


T = TypeVar("T")


@dataclass(frozen=True)
class Azure:
    """One subscription. Each client is imported and created at first use: the imports take seconds."""

    subscription_id: str
    credential: TokenCredential
    cloud: signin.Cloud

    @classmethod
    def sign_in(cls, environment: Mapping[str, str] = os.environ) -> "Azure":
        """Raises OpsError if ARM_* are incomplete."""
        settings = signin.read_settings(lambda _key: None, environment)
        subscription = settings.get("subscriptionId", "")
        problems: list[str] = []
        if not subscription:
            export = "export ARM_SUBSCRIPTION_ID=$(az account show --query id -o tsv)"
            problems.append(f"ARM_SUBSCRIPTION_ID is not set: {export}")
        try:
            signin.kind_of(settings)
        except signin.SignInError as error:
            problems.append(str(error))
        if problems:
            raise OpsError("\n  ".join(problems))
        session = Session()
        try:
            cloud = signin.cloud_of(settings, session)
            return cls(subscription, signin.credential(settings, cloud, session), cloud)
        except signin.SignInError as error:
            raise OpsError(str(error)) from error

    @cached_property
    def resources(self) -> "ResourceManagementClient":
        from azure.mgmt.resource.resources import ResourceManagementClient  # noqa: PLC0415 # see the class

        return self._client(ResourceManagementClient)

    @cached_property
    def cognitive(self) -> "CognitiveServicesManagementClient":
        from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient  # noqa: PLC0415 # see the class

        return self._client(CognitiveServicesManagementClient)

    @cached_property
    def web(self) -> "WebSiteManagementClient":
        from azure.mgmt.web import WebSiteManagementClient  # noqa: PLC0415 # see the class

        return self._client(WebSiteManagementClient)

    @cached_property
    def authorization(self) -> "AuthorizationManagementClient":
        from azure.mgmt.authorization.v2022_04_01 import AuthorizationManagementClient  # noqa: PLC0415 # see the class

        return self._client(AuthorizationManagementClient)

    def function_key(self, resource_group: str, site: str) -> str:
        """The default function key of a site; empty if it has none. Raises OpsError."""
        with translate_errors(f"the function keys of {site} cannot be listed", _LIST_KEYS):
            keys = self.web.web_apps.list_host_keys(resource_group, site)
        return (keys.function_keys or {}).get("default", "")

    def _client(self, client_type: Callable[..., T]) -> T:
        return client_type(
            self.credential,
            self.subscription_id,
            base_url=self.cloud.endpoint,
            credential_scopes=[signin.scope_of(self.cloud)],
        )


@contextmanager
def translate_errors(failure: str, permission: str = "") -> Generator[None]:
    """Raise OpsError for an error of the Azure SDK. `permission` is added if Azure answers 403."""
    try:
        yield
    except AzureError as error:
        forbidden = getattr(error, "status_code", None) == 403
        hint = f". This requires the permission {permission}" if permission and forbidden else ""
        raise OpsError(f"{failure}: {first_line(error)}{hint}") from error


def first_line(error: Exception) -> str:
    """The first line of an error's text, or the name of its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
