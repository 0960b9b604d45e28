"""Every resource type and function that local Azure has."""

from collections.abc import Callable

from local_azure.core.resource import Azure, Inputs, ResourceType, to_outputs
from local_azure.core.schema import nearest
from local_azure.services.applicationinsights import resource_types as applicationinsights
from local_azure.services.authorization import resource_types as authorization
from local_azure.services.cognitiveservices import resource_types as cognitiveservices
from local_azure.services.keyvault import resource_types as keyvault
from local_azure.services.managedidentity import resource_types as managedidentity
from local_azure.services.operationalinsights import resource_types as operationalinsights
from local_azure.services.resources import resource_types as resources
from local_azure.services.storage import resource_types as storage
from local_azure.services.web import resource_types as web

TYPES: dict[str, ResourceType] = {
    kind.pulumi_type: kind
    for service in (
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
    for kind in service.TYPES
}

BY_ARM_TYPE: dict[str, ResourceType] = {kind.arm_type.lower(): kind for kind in TYPES.values()}

_FUNCTIONS: dict[str, Callable[[Azure, Inputs], Inputs]] = authorization.FUNCTIONS


class UnknownTokenError(Exception):
    """A type or function that local Azure lacks; the message lists those that it has."""


def find_type(token: str) -> ResourceType:
    """The resource type of a token (`azure-native:storage:Table`)."""
    kind = TYPES.get(token)
    if kind is None:
        known = ", ".join(sorted(TYPES))
        raise UnknownTokenError(
            f"local Azure has no resource type {token}.{nearest(token, TYPES)} A stack with it can be "
            f"previewed and deployed on Azure only, unless the type is added to "
            f"local_azure/services/. It has: {known}"
        )
    return kind


def call(azure: Azure, token: str, arguments: Inputs) -> Inputs:
    """The outputs of a function: one of `_FUNCTIONS`, or the getter of a type (`…:getStorageAccount`).

    Raises UnknownTokenError, also for a missing argument of a getter; ArmError 404 for a missing resource.
    """
    function = _FUNCTIONS.get(token)
    if function is not None:
        return function(azure, arguments)
    kind = TYPES.get(token.replace(":get", ":")) if ":get" in token else None
    if kind is None:
        known = [*_FUNCTIONS, *(_getter(name) for name in TYPES)]
        listed = ", ".join(sorted(known))
        raise UnknownTokenError(
            f"local Azure has no function {token}.{nearest(token, known)} It has: {listed}"
        )
    missing = [name for name in kind.path_inputs if name not in arguments]
    if missing:
        raise UnknownTokenError(f"{token} needs {', '.join(missing)}")
    resource = azure.store.require(kind.id_of(arguments))
    return {"id": resource["id"], **to_outputs(kind, resource)}


def _getter(token: str) -> str:
    package, module, name = token.split(":")
    return f"{package}:{module}:get{name}"
