"""Every resource type and function that local Azure has."""

from collections.abc import Iterable

from local_azure.core.derived_types import derived, types_of
from local_azure.core.known_types import KNOWN
from local_azure.core.resource import ResourceType
from local_azure.services.applicationinsights import resource_types as applicationinsights
from local_azure.services.authorization import resource_types as authorization
from local_azure.services.cognitiveservices import resource_types as cognitiveservices
from local_azure.services.keyvault import resource_types as keyvault
from local_azure.services.managedidentity import resource_types as managedidentity
from local_azure.services.operationalinsights import resource_types as operationalinsights
from local_azure.services.storage import resource_types as storage
from local_azure.services.web import resource_types as web

_SERVICES = (
    managedidentity,
    storage,
    operationalinsights,
    applicationinsights,
    cognitiveservices,
    keyvault,
    authorization,
    web,
)

TYPES: dict[str, ResourceType] = KNOWN | {
    kind.pulumi_type: kind for service in _SERVICES for kind in service.TYPES
}
"""The types with a row; one with behaviour has it from its service."""

BY_ARM_TYPE: dict[str, ResourceType] = {kind.arm_type.lower(): kind for kind in TYPES.values()}


class UnknownTokenError(Exception):
    """A type or function that the SDK or local Azure lacks."""


def find_type(token: str) -> ResourceType:
    """The resource type of a token (`azure-native:storage:Table`). Raises UnknownTokenError."""
    try:
        return TYPES.get(token) or derived(token)
    except LookupError as error:
        raise UnknownTokenError(str(error)) from error


def limits(tokens: Iterable[str]) -> list[str]:
    """What local Azure does not do for these types, as warnings. Those of other packages are left out."""
    kinds = (find_type(token) for token in sorted(set(tokens)) if token.startswith("azure-native:"))
    return [kind.limits for kind in kinds if kind.limits]


def find_arm_type(arm_type: str) -> ResourceType | None:
    """The resource type of `Microsoft.Storage/storageAccounts`; None for a type that the SDK lacks."""
    kind = BY_ARM_TYPE.get(arm_type.lower())
    if kind is not None:
        return kind
    namespace = arm_type.lower().partition("/")[0]
    modules = {
        *(known.module for known in KNOWN.values() if known.arm_type.lower().startswith(f"{namespace}/")),
        namespace.removeprefix("microsoft."),
    }
    tokens = (types_of(module).get(arm_type.lower()) for module in sorted(modules))
    return next((find_type(token) for token in tokens if token), None)
