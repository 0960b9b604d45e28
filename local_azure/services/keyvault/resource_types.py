"""Microsoft.KeyVault: vaults and keys, as ARM sees them. No data plane: nothing encrypts or decrypts here."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from local_azure.core import access, clock, ids
from local_azure.core.errors import ArmError
from local_azure.core.known_types import known
from local_azure.core.resource import Azure, Behaviour
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, TENANT_ID, Resource
from local_azure.services.children import parent_of

VAULT_TYPE = "Microsoft.KeyVault/vaults"
DELETED_VAULT_TYPE = "Microsoft.KeyVault/locations/deletedVaults"
KEY_TYPE = f"{VAULT_TYPE}/keys"
_DELETE_KEY = f"{KEY_TYPE}/delete"

RETENTION_DAYS = range(7, 91)
RSA_SIZES = (2048, 3072, 4096)
_EC_OPERATIONS = ("sign", "verify", "import", "release")


def _validate_vault(azure: Azure, vault: Resource, previous: Resource | None) -> None:
    properties = vault.get("properties", {})
    before: dict[str, Any] = (previous or {}).get("properties", {})
    for reason in _vault_problems(properties, before):
        raise ArmError(400, "BadRequest", reason)
    if previous is None:
        _refuse_taken_name(azure, vault)


def _vault_problems(properties: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    if properties.get("tenantId", "").lower() != TENANT_ID:
        yield (
            f"The tenant ID '{properties.get('tenantId')}' is not the subscription's. "
            f"Local Azure has one tenant, '{TENANT_ID}'."
        )
    if properties.get("createMode") == "recover":
        yield (
            "createMode is 'recover': local Azure keeps the names of deleted vaults, not their content. "
            "`python -m local_azure reset` frees the names; or use another name."
        )
    # The policies may be left out where they have no effect.
    if "accessPolicies" not in properties and not properties.get("enableRbacAuthorization"):
        yield "The property 'accessPolicies' is required, unless enableRbacAuthorization is true."
    if properties.get("enableSoftDelete") is False:
        yield "The property 'enableSoftDelete' can't be set to false: every vault has soft delete."
    # "the property does not accept false as its value" (azure-rest-api-specs, keyvault.json)
    if properties.get("enablePurgeProtection") is False or (
        before.get("enablePurgeProtection") and "enablePurgeProtection" not in properties
    ):
        yield (
            'The property "enablePurgeProtection" cannot be set to false. Enabling the purge protection '
            "for a vault is an irreversible action."
        )
    days = properties.get("softDeleteRetentionInDays", 90)
    if days not in RETENTION_DAYS:
        yield f"The property 'softDeleteRetentionInDays' is {days}; it must be from 7 to 90."
    if before and "softDeleteRetentionInDays" in properties and days != before["softDeleteRetentionInDays"]:
        yield "The property 'softDeleteRetentionInDays' has been set already and it can't be modified."


def _refuse_taken_name(azure: Azure, vault: Resource) -> None:
    name = vault["name"].lower()
    for other in azure.store.list(VAULT_TYPE):
        if other["name"].lower() == name:
            raise ArmError(
                409,
                "VaultAlreadyExists",
                f"The vault name '{vault['name']}' is already in use. Vault names are globally unique so it "
                "is possible that the name is already taken.",
            )
    for deleted in azure.store.list(DELETED_VAULT_TYPE):
        properties = deleted.get("properties", {})
        if deleted["name"].lower() != name or properties["scheduledPurgeDate"] <= clock.text(azure.now()):
            continue
        advice = (
            "It is protected against purge: recover it, wait, or use another name."
            if properties["purgeProtectionEnabled"]
            else f"`az keyvault purge --name {vault['name']}`, or `recover` in its place."
        )
        raise ArmError(
            409,
            "ConflictError",
            "A vault with the same name already exists in deleted state. You need to either recover or purge "
            f"existing key vault. Azure purges it on {properties['scheduledPurgeDate']}. {advice}",
        )


def _complete_vault(_azure: Azure, resource: Resource, previous: Resource | None) -> None:
    before: dict[str, Any] = (previous or {}).get("properties", {})
    properties = resource.setdefault("properties", {})
    properties.pop("createMode", None)
    properties.setdefault("softDeleteRetentionInDays", before.get("softDeleteRetentionInDays", 90))
    properties |= {
        "enableSoftDelete": True,
        "vaultUri": f"https://{resource['name'].lower()}.vault.azure.net/",
    }


async def _soft_delete_vault(azure: Azure, resource: Resource) -> None:
    """Azure keeps a deleted vault, and with it the name, which is globally unique."""
    properties, location = resource.get("properties", {}), resource.get("location", "")
    now = azure.now()
    purged = now + timedelta(days=properties["softDeleteRetentionInDays"])
    subscription = ids.subscription(SUBSCRIPTION_ID)
    azure.store.put(
        Resource(
            id=ids.build(subscription, DELETED_VAULT_TYPE, location, resource["name"]),
            name=resource["name"],
            type=DELETED_VAULT_TYPE,
            properties={
                "vaultId": resource["id"],
                "location": location,
                "tags": resource.get("tags", {}),
                "deletionDate": clock.text(now),
                "scheduledPurgeDate": clock.text(purged),
                "purgeProtectionEnabled": bool(properties.get("enablePurgeProtection")),
            },
        )
    )


def _validate_key(azure: Azure, key: Resource, previous: Resource | None) -> None:
    if previous is not None:
        return
    properties = key.get("properties", {})
    vault = azure.store.require(parent_of(key["id"])).get("properties", {})
    for reason in _key_problems(properties, premium=vault["sku"]["name"] == "premium"):
        raise ArmError(400, "BadParameter", reason)


def _key_problems(properties: dict[str, Any], *, premium: bool) -> Iterator[str]:
    kind = str(properties.get("kty", ""))
    if not kind:
        yield "The property 'kty' is required: EC, EC-HSM, RSA or RSA-HSM."
        return
    if kind.endswith("-HSM") and not premium:
        yield f"The key type '{kind}' needs a vault of the SKU 'premium'."
    curve, size = properties.get("curveName"), properties.get("keySize")
    if kind.startswith("RSA"):
        if size is not None and size not in RSA_SIZES:
            yield f"The key size {size} is not supported for {kind}: one of {', '.join(map(str, RSA_SIZES))}."
        if curve is not None:
            yield f"The property 'curveName' is '{curve}', which a key of type {kind} does not have."
        return
    if size is not None:
        yield f"The property 'keySize' is {size}, which a key of type {kind} does not have."
    operations = [name for name in properties.get("keyOps", []) if name not in _EC_OPERATIONS]
    if operations:
        yield f"The operations {', '.join(operations)} are not supported by a key of type {kind}."


def _complete_key(azure: Azure, resource: Resource, previous: Resource | None) -> None:
    if previous is not None:
        # "If it already exists, then the existing key is returned without any write operations being
        # performed" (azure-rest-api-specs, keys.json): a changed key is not changed.
        resource.update(previous)
        return
    properties = resource.setdefault("properties", {})
    vault = azure.store.require(parent_of(resource["id"]))
    uri = f"{vault.get('properties', {})['vaultUri']}keys/{resource['name']}"
    rsa = str(properties["kty"]).startswith("RSA")
    made = int(datetime.now(UTC).timestamp())
    resource["properties"] = {
        **({"keySize": 2048} if rsa else {"curveName": "P-256"}),
        "keyOps": ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]
        if rsa
        else ["sign", "verify"],
        **properties,
        "attributes": {"enabled": True, **properties.get("attributes", {}), "created": made, "updated": made},
        "keyUri": uri,
        "keyUriWithVersion": f"{uri}/{ids.key(resource['id']).encode().hex()[-32:]}",
    }


def _refuse_key_delete(azure: Azure, resource: Resource) -> None:
    """ARM has no DELETE for keys: azure-native sends it to the vault, where Owner grants nothing."""
    if not access.permits(azure.store, DEVELOPER_PRINCIPAL_ID, resource["id"], data_action=_DELETE_KEY):
        raise ArmError(
            403,
            "Forbidden",
            f"Caller is not authorized to perform action on resource. Action: '{_DELETE_KEY}'; Resource: "
            f"'{resource['id']}'; it takes a role with data actions, such as Key Vault Crypto Officer. "
            "With `retain_on_delete` the key is deleted with its vault.",
        )


TYPES = (
    known(
        "keyvault:Vault",
        Behaviour(
            validate=_validate_vault,
            defaults={
                "accessPolicies": [],
                "enableRbacAuthorization": False,
                "enabledForDeployment": False,
                "publicNetworkAccess": "Enabled",
            },
            complete=_complete_vault,
            remove=_soft_delete_vault,
        ),
    ),
    known(
        "keyvault:Key",
        Behaviour(
            validate=_validate_key,
            complete=_complete_key,
            refuse_delete=_refuse_key_delete,
        ),
    ),
)
