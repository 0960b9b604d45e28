import pytest
from multidict import CIMultiDict

from local_azure.services.storage.permissions import (
    PathError,
    Permission,
    Requirement,
    Service,
    StorageRequest,
    batch_requirements,
    requirement_of,
)

PROVIDER = "Microsoft.Storage/storageAccounts/"
TABLE = "/tableServices/default/tables/ChatState"
ENTITY = "/acc/ChatState(PartitionKey='a',RowKey='b')"
CONTAINER = "/blobServices/default/containers/deploy"
QUEUE = "/queueServices/default/queues/work"
TABLES = "tableServices/tables"
ENTITIES = f"{TABLES}/entities"
CONTAINERS = "blobServices/containers"
BLOBS = f"{CONTAINERS}/blobs"
QUEUES = "queueServices/queues"
MESSAGES = f"{QUEUES}/messages"


def requirement(service: Service, method: str, target: str, **headers: str) -> Requirement:
    path, _, text = target.partition("?")
    parts = [part.partition("=") for part in text.split("&") if part]
    query = {name: value for name, _, value in parts}
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return requirement_of(service, "acc", StorageRequest(method, path, query, named))


def text_of(requirement: Requirement) -> str:
    """Alternatives as `a + b | c`; control-plane actions in parentheses."""
    alternatives = [
        [
            permission.name.removeprefix(PROVIDER)
            if permission.kind == "data_action"
            else f"({permission.name.removeprefix(PROVIDER)})"
            for permission in permissions
        ]
        for permissions in requirement.any_of
    ]
    return " | ".join(" + ".join(names) for names in alternatives)


# The tables of Azure's page "Authorize with Microsoft Entra ID".
@pytest.mark.parametrize(
    ("service", "method", "target", "scope", "permissions"),
    [
        ("table", "GET", "/acc/Tables", "", f"({TABLES}/read)"),
        ("table", "GET", "/acc/Tables()", "", f"({TABLES}/read)"),
        ("table", "GET", "/acc-secondary/Tables", "", f"({TABLES}/read)"),
        ("table", "POST", "/acc/Tables", "", f"({TABLES}/write)"),
        ("table", "DELETE", "/acc/Tables('ChatState')", TABLE, f"({TABLES}/delete)"),
        ("table", "GET", "/acc/?restype=service&comp=properties", "", "(tableServices/read)"),
        ("table", "PUT", "/acc?restype=service&comp=properties", "", "(tableServices/write)"),
        ("table", "GET", "/acc/ChatState()", TABLE, f"{ENTITIES}/read"),
        ("table", "GET", ENTITY, TABLE, f"{ENTITIES}/read"),
        ("table", "POST", "/acc/ChatState", TABLE, f"{ENTITIES}/write | {ENTITIES}/add/action"),
        (
            "table",
            "PUT",
            "/acc/ChatState(PartitionKey='a%2F',RowKey='b')",
            TABLE,
            f"{ENTITIES}/write | {ENTITIES}/add/action + {ENTITIES}/update/action",
        ),
        ("table", "DELETE", ENTITY, TABLE, f"{ENTITIES}/delete"),
        ("table", "GET", "/acc/ChatState?comp=acl", TABLE, f"({TABLES}/getAcl/action)"),
        ("table", "PUT", "/acc/ChatState?comp=acl", TABLE, f"({TABLES}/setAcl/action)"),
        ("blob", "GET", "/acc?comp=list", "", f"({CONTAINERS}/read)"),
        ("blob", "GET", "/acc?comp=blobs", "", f"{BLOBS}/filter/action"),
        ("blob", "GET", "/acc?restype=account", "", "(blobServices/getInfo/action)"),
        ("blob", "POST", "/acc?comp=batch", "", f"{BLOBS}/delete + {BLOBS}/write"),
        ("blob", "PUT", "/acc/deploy?restype=container", CONTAINER, f"({CONTAINERS}/write)"),
        ("blob", "DELETE", "/acc/deploy?restype=container", CONTAINER, f"({CONTAINERS}/delete)"),
        ("blob", "GET", "/acc/deploy?restype=container&comp=list", CONTAINER, f"{BLOBS}/read"),
        ("blob", "GET", "/acc/deploy?restype=container&comp=blobs", CONTAINER, f"{BLOBS}/filter/action"),
        ("blob", "PUT", "/acc/deploy?restype=container&comp=acl", CONTAINER, f"({CONTAINERS}/setAcl/action)"),
        ("blob", "GET", "/acc/deploy/a/b.zip", CONTAINER, f"{BLOBS}/read"),
        ("blob", "HEAD", "/acc/deploy/b.zip", CONTAINER, f"{BLOBS}/read"),
        ("blob", "POST", "/acc/deploy/b.zip?comp=query", CONTAINER, f"{BLOBS}/read"),
        ("blob", "PUT", "/acc/deploy/b.zip?comp=block&blockid=1", CONTAINER, f"{BLOBS}/write"),
        ("blob", "PUT", "/acc/deploy/b?comp=appendblock", CONTAINER, f"{BLOBS}/write | {BLOBS}/add/action"),
        ("blob", "DELETE", "/acc/deploy/b.zip", CONTAINER, f"{BLOBS}/delete"),
        ("blob", "PUT", "/acc/deploy/b.zip?comp=tags", CONTAINER, f"{BLOBS}/tags/write"),
        (
            "blob",
            "POST",
            "/acc?restype=service&comp=userdelegationkey",
            "",
            "(blobServices/generateUserDelegationKey/action)",
        ),
        ("queue", "GET", "/acc?comp=list", "", f"({QUEUES}/read)"),
        ("queue", "PUT", "/acc/work", QUEUE, f"({QUEUES}/write)"),
        ("queue", "GET", "/acc/work?comp=acl", QUEUE, f"({QUEUES}/getAcl/action)"),
        ("queue", "GET", "/acc/work/messages?peekonly=true", QUEUE, f"{MESSAGES}/read"),
        (
            "queue",
            "GET",
            "/acc/work/messages",
            QUEUE,
            f"{MESSAGES}/process/action | {MESSAGES}/read + {MESSAGES}/delete",
        ),
        ("queue", "POST", "/acc/work/messages", QUEUE, f"{MESSAGES}/write | {MESSAGES}/add/action"),
        ("queue", "PUT", "/acc/work/messages/1", QUEUE, f"{MESSAGES}/write"),
        ("queue", "DELETE", "/acc/work/messages", QUEUE, f"{MESSAGES}/delete"),
        ("queue", "DELETE", "/acc/work/messages/1", QUEUE, f"{MESSAGES}/process/action | {MESSAGES}/delete"),
    ],
)
def test_requests_require_the_permissions_of_azures_tables(
    service: Service, method: str, target: str, scope: str, permissions: str
) -> None:
    required = requirement(service, method, target)
    assert (required.scope, text_of(required)) == (scope, permissions)


def test_an_update_of_an_existing_entity_requires_no_permission_to_add() -> None:
    required = requirement("table", "PATCH", ENTITY, If_Match="*")
    assert text_of(required) == f"{ENTITIES}/write | {ENTITIES}/update/action"


def test_a_tunnelled_method_applies_only_in_a_post() -> None:
    assert text_of(requirement("table", "POST", ENTITY, X_HTTP_Method="DELETE")) == f"{ENTITIES}/delete"
    assert text_of(requirement("table", "DELETE", ENTITY, X_HTTP_Method="GET")) == f"{ENTITIES}/delete"


@pytest.mark.parametrize(
    ("service", "path"),
    [
        *(
            ("table", path)
            for path in ("/other/ChatState", "//acc/ChatState", "/acc//ChatState", "/acc/a/b", "/")
        ),
        ("blob", "/acc//b.zip"),
    ],
)
def test_a_path_that_the_service_cannot_have_is_rejected(service: Service, path: str) -> None:
    with pytest.raises(PathError):
        requirement(service, "GET", path)


def test_a_batch_requires_the_permissions_of_its_operations() -> None:
    body = (
        b"--changeset\r\nContent-Type: application/http\r\n\r\n"
        b"PUT https://127.0.0.1:1/acc/ChatState(PartitionKey='a',RowKey='b') HTTP/1.1\r\n\r\n{}\r\n"
        b"--changeset\r\nContent-Type: application/http\r\n\r\n"
        b"DELETE https://127.0.0.1:1/acc/Other(PartitionKey='a',RowKey='c') HTTP/1.1\r\nIf-Match: *\r\n\r\n"
    )
    required = batch_requirements("acc", body)
    assert {requirement.scope for requirement in required} == {TABLE, "/tableServices/default/tables/Other"}
    delete = (Permission(f"{PROVIDER}{ENTITIES}/delete", "data_action"),)
    assert delete in {permissions for requirement in required for permissions in requirement.any_of}


def test_an_empty_batch_is_rejected() -> None:
    with pytest.raises(PathError):
        batch_requirements("acc", b"--changeset--")
