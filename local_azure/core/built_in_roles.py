"""Azure's built-in roles that stacks use, as a table (Docs: Azure built-in roles).

A line with a GUID begins a role; the lines below it are its actions. `A/{b,c}` is `A/b A/c`.
"""

from collections.abc import Iterator

_SHORT = {
    "BLOBS": "Microsoft.Storage/storageAccounts/blobServices",
    "QUEUES": "Microsoft.Storage/storageAccounts/queueServices/queues",
    "TABLES": "Microsoft.Storage/storageAccounts/tableServices/tables",
    "MODELS": "Microsoft.CognitiveServices",
    "OPENAI": "Microsoft.CognitiveServices/accounts/OpenAI",
    "VAULT": "Microsoft.KeyVault",
    "KEYS": "Microsoft.KeyVault/vaults/keys",
    "IDENTITIES": "Microsoft.ManagedIdentity/userAssignedIdentities",
    "AUTH": "Microsoft.Authorization",
    "INSIGHTS": "Microsoft.Insights",
    "GROUPS": "Microsoft.Resources/subscriptions/resourceGroups",
    "SUPPORT": "Microsoft.Support",
}
_MANAGE = "AUTH/*/read INSIGHTS/alertRules/* Microsoft.Resources/deployments/* GROUPS/read SUPPORT/*"
"""In each of the roles for managing one kind of resource."""

_TABLE = f"""
8e3af657-a8ff-443c-a75c-2fe8c4bcb635 Owner
    actions *
b24988ac-6180-42a0-ab88-20f7382dd24c Contributor
    actions *
    notActions AUTH/{{*/Delete,*/Write,elevateAccess/Action}}
acdd72a7-3385-48ef-bd42-f606fba81ae7 Reader
    actions */read
18d7d88d-d35e-4fb5-a5c3-7773c20a72d9 User Access Administrator
    actions */read AUTH/* SUPPORT/*
f58310d9-a9f6-439a-9e8d-f62e7b41a168 Role Based Access Control Administrator
    actions AUTH/roleAssignments/{{write,delete}} */read SUPPORT/*
de139f84-1756-47ae-9be6-808fbbe84772 Website Contributor
    actions {_MANAGE} INSIGHTS/components/* Microsoft.ResourceHealth/availabilityStatuses/read
    actions Microsoft.Web/{{certificates/*,listSitesAssignedToHostName/read,sites/*}}
    actions Microsoft.Web/serverFarms/{{join/action,read}}
17d1049b-9a84-46fb-8f53-869881c3d3ab Storage Account Contributor
    actions {_MANAGE} INSIGHTS/diagnosticSettings/* Microsoft.Storage/storageAccounts/*
b7e6dc6d-f1e8-4753-8033-0f276bb0955b Storage Blob Data Owner
    actions BLOBS/containers/* BLOBS/generateUserDelegationKey/action
    dataActions BLOBS/containers/blobs/*
ba92f5b4-2d11-453d-a403-e96b0029c9fe Storage Blob Data Contributor
    actions BLOBS/containers/{{delete,read,write}} BLOBS/generateUserDelegationKey/action
    dataActions BLOBS/containers/blobs/{{delete,read,write,move/action,add/action}}
2a2b9908-6ea1-4ae2-8e65-a410df84e7d1 Storage Blob Data Reader
    actions BLOBS/containers/read BLOBS/generateUserDelegationKey/action
    dataActions BLOBS/containers/blobs/read
974c5e8b-45b9-4653-ba55-5f855dd0fb88 Storage Queue Data Contributor
    actions QUEUES/{{delete,read,write}}
    dataActions QUEUES/messages/{{delete,read,write,process/action}}
19e7f393-937e-4f77-808e-94535e297925 Storage Queue Data Reader
    actions QUEUES/read
    dataActions QUEUES/messages/read
0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3 Storage Table Data Contributor
    actions TABLES/{{read,write,delete}}
    dataActions TABLES/entities/{{read,write,delete,add/action,update/action}}
76199698-9eea-4c19-bc75-cec21354c6b6 Storage Table Data Reader
    actions TABLES/read
    dataActions TABLES/entities/read
25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68 Cognitive Services Contributor
    actions {_MANAGE} MODELS/* INSIGHTS/diagnosticSettings/*
a97b65f3-24c7-4388-baec-2e87135dc908 Cognitive Services User
    actions MODELS/{{*/read,accounts/listkeys/action}}
    dataActions MODELS/*
5e0bd9bd-7b93-4f28-af87-19fc36ad61bd Cognitive Services OpenAI User
    actions MODELS/*/read AUTH/{{roleAssignments/read,roleDefinitions/read}}
    dataActions OPENAI/{{*/read,images/generations/action,responses/*}}
    dataActions OPENAI/engines/{{completions/action,search/action,generate/action}}
    dataActions OPENAI/deployments/{{audio/action,search/action,completions/action,chat/completions/action}}
    dataActions OPENAI/deployments/{{extensions/chat/completions/action,embeddings/action}}
a001fd3d-188f-4b5d-821b-7da978bf7442 Cognitive Services OpenAI Contributor
    actions MODELS/*/read MODELS/accounts/deployments/{{write,delete}}
    actions MODELS/accounts/raiPolicies/{{read,write,delete}}
    actions AUTH/{{roleAssignments/read,roleDefinitions/read}}
    dataActions OPENAI/*
3913510d-42f4-4e42-8a64-420c390055eb Monitoring Metrics Publisher
    actions INSIGHTS/Register/Action SUPPORT/* GROUPS/read
    dataActions INSIGHTS/{{Metrics/Write,Telemetry/Write}}
28bf596f-4eb7-45ce-b5bc-6cf482fec137 Locks Contributor
    actions AUTH/locks/{{read,write,delete}}
14b46e9e-c2b7-41b4-b07b-48a6ebf60603 Key Vault Crypto Officer
    actions {_MANAGE} VAULT/{{checkNameAvailability/read,deletedVaults/read,operations/read}}
    actions VAULT/{{locations/*/read,vaults/*/read}}
    dataActions KEYS/* VAULT/vaults/keyrotationpolicies/*
12338af0-0e69-4776-bea7-57ae8d297424 Key Vault Crypto User
    dataActions KEYS/{{read,update/action,backup/action,encrypt/action,decrypt/action,wrap/action}}
    dataActions KEYS/{{unwrap/action,sign/action,verify/action}}
f1a07417-d97a-45cb-824c-7a7467783830 Managed Identity Operator
    actions IDENTITIES/{{*/read,*/assign/action}} AUTH/*/read GROUPS/read SUPPORT/*
"""


def built_in_roles() -> Iterator[tuple[str, str, dict[str, tuple[str, ...]]]]:
    """GUID, name, and the actions by `actions`, `notActions` and `dataActions`."""
    for block in _TABLE.strip().replace("\n    ", "\f").split("\n"):
        head, *lines = block.split("\f")
        guid, _, name = head.partition(" ")
        actions: dict[str, tuple[str, ...]] = {}
        for line in lines:
            kind, *words = line.split()
            actions[kind] = (
                *actions.get(kind, ()),
                *(action for word in words for action in _expanded(word)),
            )
        yield guid, name, actions


def _expanded(word: str) -> Iterator[str]:
    short, slash, rest = word.partition("/")
    prefix, brace, names = (_SHORT.get(short, short) + slash + rest).partition("{")
    yield from (prefix + name for name in names.rstrip("}").split(",")) if brace else (prefix,)
