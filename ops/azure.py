"""Clients of the Azure SDK. As for the azure-native provider, ARM_* select the cloud and the credential."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypedDict

from azure.core.credentials import TokenCredential
from requests import Session

from delivery import signin
from ops.output import OpsError

if TYPE_CHECKING:
    from azure.mgmt.authorization.v2022_04_01 import AuthorizationManagementClient
    from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
    from azure.mgmt.resource.resources import ResourceManagementClient
    from azure.mgmt.web import WebSiteManagementClient


class _ClientOptions(TypedDict):
    base_url: str
    credential_scopes: list[str]


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
        if not subscription:
            raise OpsError(
                "ARM_SUBSCRIPTION_ID is not set: "
                "export ARM_SUBSCRIPTION_ID=$(az account show --query id -o tsv)"
            )
        session = Session()
        try:
            cloud = signin.cloud_of(settings, session)
            return cls(subscription, signin.credential(settings, cloud, session), cloud)
        except signin.SignInError as error:
            raise OpsError(str(error)) from error

    @cached_property
    def resources(self) -> "ResourceManagementClient":
        from azure.mgmt.resource.resources import ResourceManagementClient  # noqa: PLC0415 # see the class

        return ResourceManagementClient(self.credential, self.subscription_id, **self._client_options())

    @cached_property
    def cognitive(self) -> "CognitiveServicesManagementClient":
        from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient  # noqa: PLC0415 # see the class

        return CognitiveServicesManagementClient(
            self.credential, self.subscription_id, **self._client_options()
        )

    @cached_property
    def web(self) -> "WebSiteManagementClient":
        from azure.mgmt.web import WebSiteManagementClient  # noqa: PLC0415 # see the class

        return WebSiteManagementClient(self.credential, self.subscription_id, **self._client_options())

    @cached_property
    def authorization(self) -> "AuthorizationManagementClient":
        from azure.mgmt.authorization.v2022_04_01 import AuthorizationManagementClient  # noqa: PLC0415 # see the class

        return AuthorizationManagementClient(self.credential, self.subscription_id, **self._client_options())

    def _client_options(self) -> _ClientOptions:
        return {
            "base_url": self.cloud.endpoint,
            "credential_scopes": [signin.scope_of(self.cloud)],
        }
