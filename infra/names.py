"""The names of all resources, derived from values that are known before the first preview. Pure.

A name is `<kind>-<project>-<stack>-<hash>`. The middle is for people, and is truncated where the service
allows fewer characters; the hash is different for each subscription, project, stack and suffix, even if the
middle is truncated. A name changes only if one of these inputs changes. The hash of the OpenAI account also
depends on its region: moving the account deletes it, and the name of a deleted account is blocked.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

CHAT_STATE_TABLE = "ChatState"
"""The default of the extension, which the function app's payload also names."""

LEASE_TABLE = "AssistantLeases"
"""The leases of assistants, held by the request that writes to one."""

TODO_TABLE = "Todos"
"""The to-do list of the app's skills."""

TABLES = {"chat-state": CHAT_STATE_TABLE, "todos": TODO_TABLE, "leases": LEASE_TABLE}
"""The tables that the program creates, by their logical names. Without its line a table is deleted."""

DEPLOYMENT_CONTAINER = "deployments"
"""The container in which One Deploy stores the package that instances start from."""

HASH_LENGTH = 8
"""Characters of base 32, 40 bits: among a million stacks a collision has a probability of about 1/2."""

HOST_ID_LENGTH = 32
"""The Functions host uses the first 32 characters of the app's name as its id, and apps with the same id in
one storage account share locks and timers (azure-functions-host wiki: Host IDs)."""


@dataclass(frozen=True)
class Names:
    """One name per resource, each within its service's length and alphabet."""

    resource_group: str  # 1-90, of the subscription
    identity: str  # 3-128, of the resource group
    storage_account: str  # 3-24 lower-case letters and digits, of the world
    log_workspace: str  # 4-63, of the resource group; a deleted name brings its old data back for 14 days
    app_insights: str  # 1-255, of the resource group
    openai_account: str  # 2-64, also its subdomain, of the world; blocked for 48 hours after deletion
    plan: str  # 1-60, of the resource group
    function_app: str  # 2-60, of the world; here HOST_ID_LENGTH at most


def names(subscription_id: str, project: str, stack: str, suffix: str, openai_location: str) -> Names:
    """Names for one stack; `suffix` may be empty. Raises ValueError if another part is empty."""
    parts = {
        "subscription id": subscription_id.lower(),
        "project": project,
        "stack": stack,
        "OpenAI region": openai_location,
    }
    for part, value in parts.items():
        if not value:
            raise ValueError(f"no {part} to make names from")
    identity = (parts["subscription id"], project, stack, suffix)
    middle = readable(project, stack)

    def name(kind: str, *more: str) -> str:
        return hyphenated(kind, middle, short_hash(*identity, *more), HOST_ID_LENGTH)

    return Names(
        resource_group=name("rg"),
        identity=name("id"),
        storage_account=storage_account(middle, short_hash(*identity)),
        log_workspace=name("log"),
        app_insights=name("appi"),
        openai_account=name("oai", openai_location),
        plan=name("plan"),
        function_app=name("func"),
    )


def readable(project: str, stack: str) -> str:
    """The readable part of a name: lower-case letters, digits and single hyphens; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", f"{project}-{stack}".lower()).strip("-")


def hyphenated(kind: str, middle: str, digest: str, length: int) -> str:
    """`<kind>-<middle>-<digest>`, with the middle truncated to at most `length` characters in total."""
    room = length - len(kind) - len(digest) - 2
    # The middle is empty if project and stack have no letters or digits.
    return "-".join(filter(None, (kind, middle[:room].strip("-"), digest)))


def storage_account(middle: str, digest: str) -> str:
    """A storage account's name: 24 lower-case letters and digits at most."""
    return f"st{middle.replace('-', '')[: 24 - len('st') - len(digest)]}{digest}"


def short_hash(*parts: str) -> str:
    """HASH_LENGTH lower-case letters and digits that identify the parts."""
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:HASH_LENGTH]
