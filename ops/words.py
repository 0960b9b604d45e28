"""Readable names of Pulumi's type tokens, and the data that a resource of a type holds. Pure functions."""

import re

from ops.state import GROUP, MODEL_ACCOUNT, PURGED_ACCOUNT, SITE, STORAGE_ACCOUNT, TABLE

_KINDS = {
    "azure-native:applicationinsights:Component": "Application Insights",
    "azure-native:authorization:ManagementLockByScope": "lock",
    MODEL_ACCOUNT: "model account",
    "azure-native:cognitiveservices:Deployment": "model deployment",
    "azure-native:managedidentity:UserAssignedIdentity": "identity",
    "azure-native:operationalinsights:Workspace": "log workspace",
    "azure-native:web:AppServicePlan": "plan",
    SITE: "function app",
    "azure-native:web:WebAppFtpAllowed": "FTP sign-in rule",
    "azure-native:web:WebAppScmAllowed": "publishing sign-in rule",
    PURGED_ACCOUNT: "purge of the model account's name",
}

_LOST_WITH = {
    MODEL_ACCOUNT: "its host name, its quota in that region, its deployments and fine-tuned models",
    GROUP: "everything in it: every conversation, the logs, the app's host name and function keys",
    STORAGE_ACCOUNT: "every conversation",
    TABLE: "every conversation in it",
}


def kind(token: str) -> str:
    """A readable name of letters, digits, spaces and apostrophes only, even for an untrusted token."""
    plain = _plain(token)
    if plain in _KINDS:
        return _KINDS[plain]
    last = plain.rpartition(":")[2]
    spaced = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", last)
    return " ".join(spaced)[:40].strip().lower() or "resource"


def lost_with(token: str) -> str:
    """The data that is lost if a resource of this type is deleted or replaced; empty for none."""
    return _LOST_WITH.get(_plain(token), "")


def _plain(token: str) -> str:
    """Remove the API version from a token, for example `azure-native:storage/v20240101:Table`."""
    return re.sub(r"/v[0-9]{8}(preview|privatepreview)?(?=:)", "", token)
