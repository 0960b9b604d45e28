"""Every resource type and function that local Azure has."""

from collections.abc import Callable, Iterable

from local_azure.core.derived_types import derived, types_of
from local_azure.core.known_types import ROWS, known
from local_azure.core.resource import Azure, Inputs, ResourceType
from local_azure.core.schema import nearest
from local_azure.frontends.pulumi import absent, values
from local_azure.services.applicationinsights import resource_types as applicationinsights
from local_azure.services.authorization import resource_types as authorization
from local_azure.services.cognitiveservices import resource_types as cognitiveservices
from local_azure.services.keyvault import resource_types as keyvault
from local_azure.services.managedidentity import resource_types as managedidentity
from local_azure.services.operationalinsights import resource_types as operationalinsights
from local_azure.services.resources import resource_types as resources
from local_azure.services.storage import resource_types as storage
from local_azure.services.web import resource_types as web

_SERVICES = (
    resources,
    managedidentity,
    storage,
    operationalinsights,
    applicationinsights,
    cognitiveservices,
    keyvault,
    authorization,
    web,
)

TYPES: dict[str, ResourceType] = {
    kind.pulumi_type: kind
    for kind in (
        *(known(row.token) for row in ROWS),
        *(kind for service in _SERVICES for kind in service.TYPES),
    )
}
"""The types with a row; one with behaviour has it from its service."""

BY_ARM_TYPE: dict[str, ResourceType] = {kind.arm_type.lower(): kind for kind in TYPES.values()}

_FUNCTIONS: dict[str, Callable[[Azure, Inputs], Inputs]] = authorization.FUNCTIONS


class UnknownTokenError(Exception):
    """A type or function that the SDK or local Azure lacks."""


def find_type(token: str) -> ResourceType:
    """The resource type of a token (`azure-native:storage:Table`). Raises UnknownTokenError."""
    try:
        return TYPES.get(token) or derived(token)
    except LookupError as error:
        raise UnknownTokenError(str(error)) from error


def limits(urns: Iterable[str]) -> list[str]:
    """What local Azure does not do for the types of resources, as warnings. Other packages are left out."""
    tokens = {values.type_of(urn) for urn in urns}
    kinds = (find_type(token) for token in sorted(tokens) if token.startswith("azure-native:"))
    return [kind.limits for kind in kinds if kind.limits]


def find_arm_type(arm_type: str) -> ResourceType | None:
    """The resource type of `Microsoft.Storage/storageAccounts`; None for a type that the SDK lacks."""
    kind = BY_ARM_TYPE.get(arm_type.lower())
    if kind is not None:
        return kind
    namespace = arm_type.lower().partition("/")[0]
    modules = {
        *(
            row.token.partition(":")[0]
            for row in ROWS
            if known(row.token).arm_type.lower().startswith(f"{namespace}/")
        ),
        namespace.removeprefix("microsoft."),
    }
    tokens = (types_of(module).get(arm_type.lower()) for module in sorted(modules))
    return next((find_type(token) for token in tokens if token), None)


def call(azure: Azure, token: str, arguments: Inputs) -> Inputs:
    """The outputs of a function: one of `_FUNCTIONS`, or the getter of a type (`…:getStorageAccount`).

    Raises UnknownTokenError, also for a missing argument of a getter; ArmError 404 for a missing resource.
    """
    function = _FUNCTIONS.get(token)
    if function is not None:
        return function(azure, arguments)
    try:
        kind = find_type(token.replace(":get", ":")) if ":get" in token else None
    except UnknownTokenError:
        kind = None
    if kind is None:
        known_functions = ", ".join(_FUNCTIONS)
        raise UnknownTokenError(
            f"local Azure has no function {token}.{nearest(token, _FUNCTIONS)} It has {known_functions}, "
            "and the getter of each resource type; it does not make up what Azure computes."
        )
    missing = [name for name in kind.path_inputs if name not in arguments]
    if missing:
        raise UnknownTokenError(f"{token} needs {', '.join(missing)}")
    resource = azure.store.require(kind.id_of(arguments))
    return {"id": resource["id"], **absent.outputs(kind, resource)}
