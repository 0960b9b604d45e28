"""Rules for resource tags: number, length, characters (Docs: Use tags to organize Azure resources)."""

import re

from local_azure.core.errors import ArmError
from local_azure.core.store import Resource

LIMIT = 50
NAME_LENGTH, VALUE_LENGTH = 512, 256
# A storage account's own limit.
STORAGE_TYPE, STORAGE_NAME_LENGTH = "Microsoft.Storage/storageAccounts", 128

_FORBIDDEN = re.compile(r"[<>%&\\?/\x00-\x1f\x7f]")
# Azure's own links between resources: `hidden-link:/subscriptions/…`.
_EXEMPT = ("hidden-", "link:")


def refuse_tags(resource: Resource) -> None:
    """Raises ArmError 400 for the first broken rule, naming every tag that breaks it."""
    tags = resource.get("tags") or {}
    longest = STORAGE_NAME_LENGTH if resource["type"].lower() == STORAGE_TYPE.lower() else NAME_LENGTH
    if len(tags) > LIMIT:
        raise ArmError(
            400, "TooManyTags", f"'{resource['id']}' has {len(tags)} tags; the maximum number is {LIMIT}."
        )
    wrong = [name for name in tags if _FORBIDDEN.search(name) and not name.startswith(_EXEMPT)]
    if wrong:
        raise ArmError(
            400,
            "InvalidTagNameCharacters",
            f"The tag names {_quoted(wrong)} have reserved characters '<,>,%,&,\\,?,/' or control "
            f"characters.",
        )
    wrong = [name for name in tags if not 1 <= len(name) <= longest]
    if wrong:
        raise ArmError(
            400,
            "InvalidTagName",
            f"The tag names {_quoted(wrong)} are empty or exceed the maximum length. Maximum allowed length "
            f"for tag name - '{longest}' characters.",
        )
    wrong = [value for value in tags.values() if len(value) > VALUE_LENGTH]
    if wrong:
        raise ArmError(
            400,
            "InvalidTagValueLength",
            f"Tag value too large. Following tag value {_quoted(wrong)} exceeded the maximum length. Maximum "
            f"allowed length for tag value - '{VALUE_LENGTH}' characters.",
        )
    folded = [name.lower() for name in tags]
    wrong = [name for name in tags if folded.count(name.lower()) > 1]
    if wrong:
        raise ArmError(
            400,
            "DuplicateTagName",
            f"The tag names {_quoted(wrong)} differ only in case, which makes no difference.",
        )


def _quoted(texts: list[str]) -> str:
    return ", ".join(f"'{text}'" for text in texts)
