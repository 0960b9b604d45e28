"""The names of the bootstrap's resources, known before the first preview. Pure; see infra/names.py."""

from dataclasses import dataclass

from infra.names import hyphenated, readable, short_hash, storage_account

STATE_CONTAINER = "state"
PACKAGES_CONTAINER = "packages"
STATE_KEY = "pulumi-state"

_MAX_LENGTH = 40
"""The length limit for services that allow longer names."""


@dataclass(frozen=True)
class Names:
    """One name per resource, each within its service's length and alphabet."""

    resource_group: str  # 1-90, of the subscription
    storage_account: str  # 3-24 lower-case letters and digits, of the world
    vault: str  # 3-24 letters, digits and hyphens, of the world; blocked for 90 days after deletion
    reader: str  # 3-128, of the resource group
    deployer: str  # 3-128, of the resource group
    digest: str  # identifies this stack; part of the names of custom roles, which are unique in the directory


def names(subscription_id: str, project: str, stack: str, suffix: str) -> Names:
    """Names for one stack; `suffix` may be empty."""
    middle = readable(project, stack)
    digest = short_hash(subscription_id.lower(), project, stack, suffix)
    return Names(
        resource_group=hyphenated("rg", middle, digest, _MAX_LENGTH),
        storage_account=storage_account(middle, digest),
        vault=hyphenated("kv", middle, digest, 24),
        reader=hyphenated("id-reader", middle, digest, _MAX_LENGTH),
        deployer=hyphenated("id-deployer", middle, digest, _MAX_LENGTH),
        digest=digest,
    )
