"""Readable names of Pulumi's type tokens, and the data that a resource of a type holds. Pure functions."""

import re

_KINDS = {
    "azure-native:applicationinsights:Component": "Application Insights",
    "azure-native:authorization:ManagementLockByScope": "lock",
    "azure-native:cognitiveservices:Account": "model account",
    "azure-native:cognitiveservices:Deployment": "model deployment",
    "azure-native:managedidentity:UserAssignedIdentity": "identity",
    "azure-native:operationalinsights:Workspace": "log workspace",
    "azure-native:web:AppServicePlan": "plan",
    "azure-native:web:WebApp": "function app",
    "azure-native:web:WebAppFtpAllowed": "FTP sign-in rule",
    "azure-native:web:WebAppScmAllowed": "publishing sign-in rule",
    "pulumi-python:dynamic/infra:PurgedAccount": "purge of the model account's name",
}

_LOST_WITH = {
    "azure-native:cognitiveservices:Account": "its host name, its quota in that region, its deployments and "
    "fine-tuned models",
    "azure-native:resources:ResourceGroup": "everything in it: every conversation, the logs, "
    "the app's host name and function keys",
    "azure-native:storage:StorageAccount": "every conversation",
    "azure-native:storage:Table": "every conversation in it",
}

_LETTERS = 40


def kind(token: str) -> str:
    """A readable name of letters, digits, spaces and apostrophes only, even for an untrusted token."""
    plain = _plain(token)
    if plain in _KINDS:
        return _KINDS[plain]
    last = plain.rpartition(":")[2]
    spaced = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", last)
    return " ".join(spaced)[:_LETTERS].strip().lower() or "resource"


def lost_with(token: str) -> str:
    """The data that is lost if a resource of this type is deleted or replaced; empty for none."""
    return _LOST_WITH.get(_plain(token), "")


def _plain(token: str) -> str:
    """Remove the API version from a token, for example `azure-native:storage/v20240101:Table`."""
    return re.sub(r"/v[0-9]{8}(preview|privatepreview)?(?=:)", "", token)
