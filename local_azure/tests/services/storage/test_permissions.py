import pytest
from multidict import CIMultiDict

from local_azure.services.storage.permissions import (
    PathError,
    Permission,
    Requirement,
    Service,
    batch_requirements,
    requirement_of,
)

PROVIDER = "Microsoft.Storage/storageAccounts/"
TABLE = "/tableServices/default/tables/ChatState"
ENTITY = "/acc/ChatState(PartitionKey='a%2F',RowKey='b')"
CONTAINER = "/blobServices/default/containers/deploy"
QUEUE = "/queueServices/default/queues/work"
WRITE = "tables/entities/write"
ADD, UPDATE = "tables/entities/add/action", "tables/entities/update/action"
BLOBS = "containers/blobs"
MESSAGES = "queues/messages"
PROCESS = "queues/messages/process/action"


def requirement(service: Service, method: str, target: str, **headers: str) -> Requirement:
    path, _, text = target.partition("?")
    parts = [part.partition("=") for part in text.split("&") if part]
    query = {name: value for name, _, value in parts}
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return requirement_of(service, "acc", method, path, query=query, headers=named)


def text_of(requirement: Requirement, service: Service) -> str:
    """Alternatives as `a + b | c`; control-plane actions in parentheses."""
    prefix = f"{PROVIDER}{service}Services/"

    def shortened(permission: Permission) -> str:
        name = permission.name.removeprefix(prefix)
        return name if permission.kind == "data_action" else f"({name})"

    return " | ".join(" + ".join(map(shortened, permissions)) for permissions in requirement.any_of)


# The tables of Azure's page "Authorize with Microsoft Entra ID".
@pytest.mark.parametrize(
    ("service", "method", "target", "scope", "permissions"),
    [
        ("table", "GET", "/acc/Tables", "", "(tables/read)"),
        ("table", "GET", "/acc/Tables()", "", "(tables/read)"),
        ("table", "GET", "/acc-secondary/Tables", "", "(tables/read)"),
        ("table", "POST", "/acc/Tables", "", "(tables/write)"),
        ("table", "DELETE", "/acc/Tables('ChatState')", TABLE, "(tables/delete)"),
        ("table", "GET", "/acc/?restype=service&comp=properties", "", "(read)"),
        ("table", "PUT", "/acc?restype=service&comp=properties", "", "(write)"),
        ("table", "GET", "/acc/ChatState()", TABLE, "tables/entities/read"),
        ("table", "GET", ENTITY, TABLE, "tables/entities/read"),
        ("table", "POST", "/acc/ChatState", TABLE, f"{WRITE} | {ADD}"),
        ("table", "PUT", ENTITY, TABLE, f"{WRITE} | {ADD} + {UPDATE}"),
        ("table", "DELETE", ENTITY, TABLE, "tables/entities/delete"),
        ("table", "GET", "/acc/ChatState?comp=acl", TABLE, "(tables/getAcl/action)"),
        ("table", "PUT", "/acc/ChatState?comp=acl", TABLE, "(tables/setAcl/action)"),
        ("blob", "GET", "/acc?comp=list", "", "(containers/read)"),
        ("blob", "GET", "/acc?comp=blobs", "", f"{BLOBS}/filter/action"),
        ("blob", "GET", "/acc?restype=account", "", "(getInfo/action)"),
        ("blob", "POST", "/acc?comp=batch", "", f"{BLOBS}/delete + {BLOBS}/write"),
        ("blob", "PUT", "/acc/deploy?restype=container", CONTAINER, "(containers/write)"),
        ("blob", "DELETE", "/acc/deploy?restype=container", CONTAINER, "(containers/delete)"),
        ("blob", "GET", "/acc/deploy?restype=container&comp=list", CONTAINER, f"{BLOBS}/read"),
        ("blob", "GET", "/acc/deploy?restype=container&comp=blobs", CONTAINER, f"{BLOBS}/filter/action"),
        ("blob", "PUT", "/acc/deploy?restype=container&comp=acl", CONTAINER, "(containers/setAcl/action)"),
        ("blob", "GET", "/acc/deploy/a/b.zip", CONTAINER, f"{BLOBS}/read"),
        ("blob", "HEAD", "/acc/deploy/b.zip", CONTAINER, f"{BLOBS}/read"),
        ("blob", "POST", "/acc/deploy/b.zip?comp=query", CONTAINER, f"{BLOBS}/read"),
        ("blob", "PUT", "/acc/deploy/b.zip?comp=block&blockid=1", CONTAINER, f"{BLOBS}/write"),
        ("blob", "PUT", "/acc/deploy/b?comp=appendblock", CONTAINER, f"{BLOBS}/write | {BLOBS}/add/action"),
        ("blob", "PUT", "/acc/deploy/b?comp=snapshot", CONTAINER, f"{BLOBS}/write | {BLOBS}/add/action"),
        ("blob", "DELETE", "/acc/deploy/b.zip", CONTAINER, f"{BLOBS}/delete"),
        ("blob", "PUT", "/acc/deploy/b.zip?comp=tags", CONTAINER, f"{BLOBS}/tags/write"),
        ("blob", "POST", "/acc?comp=userdelegationkey", "", "(generateUserDelegationKey/action)"),
        ("queue", "GET", "/acc?comp=list", "", "(queues/read)"),
        ("queue", "PUT", "/acc/work", QUEUE, "(queues/write)"),
        ("queue", "GET", "/acc/work?comp=acl", QUEUE, "(queues/getAcl/action)"),
        ("queue", "GET", "/acc/work/messages?peekonly=true", QUEUE, f"{MESSAGES}/read"),
        ("queue", "GET", "/acc/work/messages", QUEUE, f"{PROCESS} | {MESSAGES}/read + {MESSAGES}/delete"),
        ("queue", "POST", "/acc/work/messages", QUEUE, f"{MESSAGES}/write | {MESSAGES}/add/action"),
        ("queue", "PUT", "/acc/work/messages/1", QUEUE, f"{MESSAGES}/write"),
        ("queue", "DELETE", "/acc/work/messages", QUEUE, f"{MESSAGES}/delete"),
        ("queue", "DELETE", "/acc/work/messages/1", QUEUE, f"{PROCESS} | {MESSAGES}/delete"),
    ],
)
def test_requests_require_the_permissions_of_azures_tables(
    service: Service, method: str, target: str, scope: str, permissions: str
) -> None:
    required = requirement(service, method, target)
    assert (required.scope, text_of(required, service)) == (scope, permissions)


@pytest.mark.parametrize(
    ("method", "headers", "permissions"),
    [
        ("PATCH", {"if_match": "*"}, f"{WRITE} | {UPDATE}"),
        ("POST", {"X_HTTP_Method": "DELETE"}, "tables/entities/delete"),
        ("DELETE", {"X_HTTP_Method": "GET"}, "tables/entities/delete"),
    ],
)
def test_headers_change_the_permissions_for_an_entity(
    method: str, headers: dict[str, str], permissions: str
) -> None:
    assert text_of(requirement("table", method, ENTITY, **headers), "table") == permissions


@pytest.mark.parametrize(
    ("service", "path"),
    [
        *(("table", path) for path in ("/other/ChatState", "//acc/ChatState", "/acc//ChatState", "/")),
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
    delete = (Permission("data_action", f"{PROVIDER}tableServices/tables/entities/delete"),)
    assert delete in {permissions for requirement in required for permissions in requirement.any_of}


def test_an_empty_batch_is_rejected() -> None:
    with pytest.raises(PathError):
        batch_requirements("acc", b"--changeset--")
