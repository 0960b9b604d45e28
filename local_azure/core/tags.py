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
_RESERVED_PREFIXES = ("microsoft", "azure", "windows")


def refuse_tags(resource: Resource) -> None:
    """Raises ArmError 400 for the first broken rule, naming every tag that breaks it."""
    tags = resource.get("tags") or {}
    longest = STORAGE_NAME_LENGTH if resource["type"].lower() == STORAGE_TYPE.lower() else NAME_LENGTH
    if len(tags) > LIMIT:
        raise ArmError(
            400, "TooManyTags", f"'{resource['id']}' has {len(tags)} tags; the maximum number is {LIMIT}."
        )
    folded = [name.lower() for name in tags]
    rules = (
        (
            "InvalidTagNameCharacters",
            [name for name in tags if _FORBIDDEN.search(name) and not name.startswith(_EXEMPT)],
            "The tag names {} have reserved characters '<,>,%,&,\\,?,/' or control characters.",
        ),
        (
            "InvalidTagName",
            [name for name in tags if not 1 <= len(name) <= longest],
            "The tag names {} are empty or exceed the maximum length. Maximum allowed length for tag name - "
            f"'{longest}' characters.",
        ),
        (
            "InvalidTagName",
            [name for name in tags if name.lower().startswith(_RESERVED_PREFIXES)],
            f"The tag names {{}} have a prefix that is reserved: {', '.join(_RESERVED_PREFIXES)}.",
        ),
        (
            "InvalidTagValueLength",
            [value for value in tags.values() if len(value) > VALUE_LENGTH],
            "Tag value too large. Following tag value {} exceeded the maximum length. Maximum allowed length "
            f"for tag value - '{VALUE_LENGTH}' characters.",
        ),
        (
            "DuplicateTagName",
            [name for name in tags if folded.count(name.lower()) > 1],
            "The tag names {} differ only in case, which makes no difference.",
        ),
    )
    for code, broken, message in rules:
        if broken:
            raise ArmError(400, code, message.format(", ".join(f"'{text}'" for text in broken)))
