"""Microsoft.CognitiveServices: Azure OpenAI accounts and model deployments."""

import re

from local_azure.core import clock, ids
from local_azure.core.errors import ArmError
from local_azure.core.identity import complete_identity
from local_azure.core.known_types import known
from local_azure.core.resource import Azure, Behaviour
from local_azure.core.schema import nearest
from local_azure.core.store import Resource
from local_azure.services.children import parent_of, provision_alone
from local_azure.services.cognitiveservices import deleted
from local_azure.services.cognitiveservices.models import (
    MODELS,
    RAI_POLICIES,
    Model,
    find_model,
)

ACCOUNT_TYPE = "Microsoft.CognitiveServices/accounts"
_KINDS = ("OpenAI", "AIServices")


def _validate_account(azure: Azure, account: Resource, _previous: Resource | None) -> None:
    soft_deleted = deleted.to_restore(azure, account)
    if soft_deleted is not None:
        account = deleted.restored(account, soft_deleted)
    kind, sku = account.get("kind"), account.get("sku", {}).get("name")
    if kind not in _KINDS:
        raise ArmError(
            400,
            "InvalidApiSetId",
            f"The account type '{kind}' is either invalid or unavailable in given region. "
            f"Local Azure has: {', '.join(_KINDS)}.",
        )
    if sku != "S0":
        text = f"The SKU '{sku}' is invalid for kind '{kind}'; its only SKU is 'S0'."
        raise ArmError(400, "InvalidSkuId", text)
    subdomain = account.get("properties", {}).get("customSubDomainName")
    if subdomain is None:
        return
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}[A-Za-z0-9]", subdomain):
        raise ArmError(
            400,
            "BadRequest",
            f"The custom subdomain name '{subdomain}' is invalid: 2 to 64 letters, digits and hyphens, "
            f"no hyphen first or last.",
        )
    own = {ids.key(account["id"]), ids.key(deleted.id_of(account))}
    for other in (*azure.store.list(ACCOUNT_TYPE), *deleted.remaining(azure)):
        taken = other.get("properties", {}).get("customSubDomainName", "")
        if taken.lower() == subdomain.lower() and ids.key(other["id"]) not in own:
            raise ArmError(
                409,
                "CustomDomainInUse",
                f"Please pick a different name. The subdomain name '{subdomain}' is not available as it's "
                f"already used by a resource. If the resource using the name was deleted in the last 48 "
                f"hours, you may need to purge the deleted resource.",
            )


def _complete_account(azure: Azure, resource: Resource, previous: Resource | None) -> None:
    soft_deleted = deleted.to_restore(azure, resource)
    if soft_deleted is not None:
        resource.update(deleted.restored(resource, soft_deleted))
        complete_identity(azure.store, resource, soft_deleted)
    before = (previous or {}).get("properties", {})
    properties = resource.setdefault("properties", {})
    properties.pop("restore", None)
    properties.setdefault("dateCreated", before.get("dateCreated") or clock.text(azure.now()))
    resource["properties"] = {
        "disableLocalAuth": False,
        "publicNetworkAccess": "Enabled",
        "isMigrated": False,
        "privateEndpointConnections": [],
        **properties,
        "endpoint": before.get("endpoint")
        or f"https://{resource.get('location', '')}.api.cognitive.microsoft.com/",
        "provisioningState": "Succeeded",
    }


async def _open_account(azure: Azure, resource: Resource) -> None:
    properties = resource.setdefault("properties", {})
    subdomain = properties.get("customSubDomainName")
    if subdomain is not None:
        properties["endpoint"] = await azure.services.models.open_account(resource["id"], subdomain)
    properties["endpoints"] = {"OpenAI Language Model Instance API": properties["endpoint"]}
    azure.store.forget(deleted.id_of(resource))  # a restored account is not soft-deleted any more


async def _delete_account(azure: Azure, resource: Resource) -> None:
    await azure.services.models.delete_account(resource["id"])
    deleted.keep(azure, resource)


def refuse_deployment(deployment: Resource, previous: Resource | None, day: str) -> Model:
    """The model of the deployment. Raises ArmError 400 for what Azure rejects. `day` is today, yyyy-mm-dd."""
    properties = deployment.get("properties", {})
    model_id = properties.get("model", {})
    name, version, form = model_id.get("name"), model_id.get("version"), model_id.get("format")
    described = f"Format: {form}, Name: {name}, Version: {version or '(default)'}"
    model = find_model(name, version) if form == "OpenAI" and name else None
    if model is None:
        known = ", ".join(f"{supported.name} {supported.version}" for supported in MODELS)
        suggestion = nearest(str(name), [supported.name for supported in MODELS])
        raise ArmError(
            400,
            "DeploymentModelNotSupported",
            f"The model '{described}' of account deployment is not supported.{suggestion} "
            f"Supported (format OpenAI): {known}.",
        )
    stage = model.stage_on(day)
    before = (previous or {}).get("properties", {}).get("model", {})
    deployed_already = (before.get("name"), before.get("version")) == (model.name, model.version)
    if stage == "Retired" or (stage == "Deprecated" and not deployed_already):
        raise ArmError(
            400,
            "ServiceModelDeprecated",
            f"The model '{described}' is {stage.lower()} and takes no new deployments "
            f"(retirement: {model.retires}).",
        )
    policy = properties.get("raiPolicyName")
    if policy is not None and policy not in RAI_POLICIES:
        raise ArmError(
            400,
            "InvalidResourceProperties",
            f"The content filter policy '{policy}' (raiPolicyName) does not exist; "
            f"one of {', '.join(RAI_POLICIES)}.",
        )
    return model


def _validate_deployment(azure: Azure, resource: Resource, previous: Resource | None) -> None:
    refuse_deployment(resource, previous, clock.today())
    account = parent_of(resource["id"])
    if ids.key(account) in azure.busy:
        raise ArmError(
            409,
            "RequestConflict",
            f"Another operation is being performed on the parent resource '{account}'. "
            f"Please try again later.",
        )


def _complete_deployment(_azure: Azure, resource: Resource, previous: Resource | None) -> None:
    model = refuse_deployment(resource, previous, clock.today())
    capacity = resource.setdefault("sku", {}).setdefault("capacity", 1)
    properties = resource.setdefault("properties", {})
    properties["model"] = {**properties.get("model", {}), "version": model.version}
    properties["currentCapacity"] = capacity
    properties["rateLimits"] = [{"key": "token", "renewalPeriod": 60, "count": capacity * 1000}]


TYPES = (
    known(
        "cognitiveservices:Account",
        Behaviour(
            validate=_validate_account,
            complete=_complete_account,
            apply=_open_account,
            remove=_delete_account,
        ),
    ),
    known(
        "cognitiveservices:Deployment",
        Behaviour(
            validate=_validate_deployment,
            defaults={
                "versionUpgradeOption": "OnceNewDefaultVersionAvailable",
                "raiPolicyName": "Microsoft.DefaultV2",
                "capabilities": {"chatCompletion": "true", "assistants": "true"},
            },
            complete=_complete_deployment,
            apply=lambda azure, deployment: provision_alone(azure, deployment["id"]),
        ),
    ),
)
