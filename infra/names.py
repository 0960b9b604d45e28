"""Names of everything, from what is known before anything exists. Pure.

A name is `<kind>-<project>-<stack>-<hash>`: the middle is for people and is cut where a
service is short of room; the hash tells apart subscriptions, projects, stacks and
suffixes, also where the middle was cut. All inputs are known in the first preview, so
names are too, and they never change unless one of the inputs does. The OpenAI account's
hash tells apart regions too: to move it is to delete it, which blocks its name.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

CHAT_STATE_TABLE = "ChatState"
"""The extension's own default, and what the function app's payload names."""

LEASE_TABLE = "AssistantLeases"
"""Who is writing which assistant."""

TODO_TABLE = "Todos"
"""The to-do list that the app's skills keep."""

DEPLOYMENT_CONTAINER = "deployments"
"""Where One Deploy keeps the package that instances start from."""

HASH_LENGTH = 8
"""Characters of base 32: 40 bits, of which even a million stacks would share one with odds of 1 in 2."""

HOST_ID_LENGTH = 32
"""The Functions host takes its id from so many first characters of the app's name and shares locks and
timers between apps with one id in one storage account (azure-functions-host wiki: Host IDs)."""


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
    """Names for one stack; `suffix` may be empty. Raises ValueError where another part is."""
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
    """The part of a name that is for people: lower-case letters, digits and single hyphens; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", f"{project}-{stack}".lower()).strip("-")


def hyphenated(kind: str, middle: str, digest: str, length: int) -> str:
    """`<kind>-<middle>-<digest>`, the middle cut so that all of it has at most `length` characters."""
    room = length - len(kind) - len(digest) - 2
    # Nothing is readable of a project and a stack of signs only.
    return "-".join(filter(None, (kind, middle[:room].strip("-"), digest)))


def storage_account(middle: str, digest: str) -> str:
    """A storage account's name: 24 lower-case letters and digits at most."""
    return f"st{middle.replace('-', '')[: 24 - len('st') - len(digest)]}{digest}"


def short_hash(*parts: str) -> str:
    """HASH_LENGTH lower-case letters and digits that tell the parts apart from others."""
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:HASH_LENGTH]
