import pytest
from multidict import CIMultiDict

from local_azure.services.storage.rights import Call, Need, PathError, Right, Service, batch_needs, needs

PROVIDER = "Microsoft.Storage/storageAccounts/"
TABLE = "/tableServices/default/tables/ChatState"
CONTAINER = "/blobServices/default/containers/deploy"
QUEUE = "/queueServices/default/queues/work"
ENTITIES = "tableServices/tables/entities"
BLOBS = "blobServices/containers/blobs"
MESSAGES = "queueServices/queues/messages"


def need(service: Service, method: str, target: str, **headers: str) -> Need:
    path, _, text = target.partition("?")
    pairs = [part.partition("=") for part in text.split("&") if part]
    query = {name: value for name, _, value in pairs}
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return needs(service, "acc", Call(method, path, query, named))


def alternatives(found: Need) -> list[list[str]]:
    """Data actions are written as they are, control-plane actions in parentheses."""
    return [
        [
            name if right.data else f"({name})"
            for right in rights
            for name in (right.name.removeprefix(PROVIDER),)
        ]
        for rights in found.any_of
    ]


@pytest.mark.parametrize(
    ("method", "target", "scope", "rights"),
    [
        ("GET", "/acc/Tables", "", [["(tableServices/tables/read)"]]),
        ("GET", "/acc/Tables()", "", [["(tableServices/tables/read)"]]),
        ("POST", "/acc/Tables", "", [["(tableServices/tables/write)"]]),
        ("DELETE", "/acc/Tables('ChatState')", TABLE, [["(tableServices/tables/delete)"]]),
        ("GET", "/acc/?restype=service&comp=properties", "", [["(tableServices/read)"]]),
        ("PUT", "/acc?restype=service&comp=properties", "", [["(tableServices/write)"]]),
        ("GET", "/acc/ChatState()", TABLE, [[f"{ENTITIES}/read"]]),
        ("GET", "/acc/ChatState(PartitionKey='a',RowKey='b')", TABLE, [[f"{ENTITIES}/read"]]),
        ("POST", "/acc/ChatState", TABLE, [[f"{ENTITIES}/write"], [f"{ENTITIES}/add/action"]]),
        (
            "PUT",
            "/acc/ChatState(PartitionKey='a%2F',RowKey='b')",
            TABLE,
            [[f"{ENTITIES}/write"], [f"{ENTITIES}/add/action", f"{ENTITIES}/update/action"]],
        ),
        ("DELETE", "/acc/ChatState(PartitionKey='a',RowKey='b')", TABLE, [[f"{ENTITIES}/delete"]]),
        ("PUT", "/acc/ChatState?comp=acl", TABLE, [["(tableServices/tables/setAcl/action)"]]),
    ],
)
def test_table_requests_need_the_rights_of_azures_table(
    method: str, target: str, scope: str, rights: list[list[str]]
) -> None:
    found = need("table", method, target)
    assert (found.scope, alternatives(found)) == (scope, rights)


def test_an_update_of_an_existing_entity_needs_no_right_to_add() -> None:
    found = need("table", "PATCH", "/acc/ChatState(PartitionKey='a',RowKey='b')", If_Match="*")
    assert alternatives(found) == [[f"{ENTITIES}/write"], [f"{ENTITIES}/update/action"]]


def test_a_tunnelled_method_is_the_one_that_counts_and_only_in_a_post() -> None:
    entity = "/acc/ChatState(PartitionKey='a',RowKey='b')"
    assert alternatives(need("table", "POST", entity, X_HTTP_Method="DELETE")) == [[f"{ENTITIES}/delete"]]
    assert alternatives(need("table", "DELETE", entity, X_HTTP_Method="GET")) == [[f"{ENTITIES}/delete"]]


@pytest.mark.parametrize(
    ("method", "target", "scope", "rights"),
    [
        ("GET", "/acc?comp=list", "", [["(blobServices/containers/read)"]]),
        ("PUT", "/acc/deploy?restype=container", CONTAINER, [["(blobServices/containers/write)"]]),
        ("DELETE", "/acc/deploy?restype=container", CONTAINER, [["(blobServices/containers/delete)"]]),
        ("GET", "/acc/deploy?restype=container&comp=list", CONTAINER, [[f"{BLOBS}/read"]]),
        ("GET", "/acc/deploy/a/b.zip", CONTAINER, [[f"{BLOBS}/read"]]),
        ("HEAD", "/acc/deploy/b.zip", CONTAINER, [[f"{BLOBS}/read"]]),
        ("PUT", "/acc/deploy/b.zip?comp=block&blockid=1", CONTAINER, [[f"{BLOBS}/write"]]),
        ("DELETE", "/acc/deploy/b.zip", CONTAINER, [[f"{BLOBS}/delete"]]),
        ("PUT", "/acc/deploy/b.zip?comp=tags", CONTAINER, [[f"{BLOBS}/tags/write"]]),
        (
            "POST",
            "/acc?restype=service&comp=userdelegationkey",
            "",
            [["(blobServices/generateUserDelegationKey/action)"]],
        ),
    ],
)
def test_blob_requests_need_the_rights_of_azures_table(
    method: str, target: str, scope: str, rights: list[list[str]]
) -> None:
    found = need("blob", method, target)
    assert (found.scope, alternatives(found)) == (scope, rights)


@pytest.mark.parametrize(
    ("method", "target", "scope", "rights"),
    [
        ("GET", "/acc?comp=list", "", [["(queueServices/queues/read)"]]),
        ("PUT", "/acc/work", QUEUE, [["(queueServices/queues/write)"]]),
        ("GET", "/acc/work/messages?peekonly=true", QUEUE, [[f"{MESSAGES}/read"]]),
        (
            "GET",
            "/acc/work/messages",
            QUEUE,
            [[f"{MESSAGES}/process/action"], [f"{MESSAGES}/read", f"{MESSAGES}/delete"]],
        ),
        ("POST", "/acc/work/messages", QUEUE, [[f"{MESSAGES}/write"], [f"{MESSAGES}/add/action"]]),
        ("DELETE", "/acc/work/messages", QUEUE, [[f"{MESSAGES}/delete"]]),
        (
            "DELETE",
            "/acc/work/messages/1?popreceipt=x",
            QUEUE,
            [[f"{MESSAGES}/process/action"], [f"{MESSAGES}/delete"]],
        ),
    ],
)
def test_queue_requests_need_the_rights_of_azures_table(
    method: str, target: str, scope: str, rights: list[list[str]]
) -> None:
    found = need("queue", method, target)
    assert (found.scope, alternatives(found)) == (scope, rights)


@pytest.mark.parametrize("path", ["/other/ChatState", "//acc/ChatState", "/acc//ChatState", "/acc/a/b", "/"])
def test_a_path_that_is_not_of_the_account_names_nothing(path: str) -> None:
    with pytest.raises(PathError):
        need("table", "GET", path)


def test_a_batch_needs_the_rights_of_each_operation_in_it() -> None:
    body = (
        b"--changeset\r\nContent-Type: application/http\r\n\r\n"
        b"PUT https://127.0.0.1:1/acc/ChatState(PartitionKey='a',RowKey='b') HTTP/1.1\r\n\r\n{}\r\n"
        b"--changeset\r\nContent-Type: application/http\r\n\r\n"
        b"DELETE https://127.0.0.1:1/acc/Other(PartitionKey='a',RowKey='c') HTTP/1.1\r\nIf-Match: *\r\n\r\n"
    )
    found = batch_needs("acc", body)
    assert {one.scope for one in found} == {TABLE, "/tableServices/default/tables/Other"}
    assert (Right(f"{PROVIDER}{ENTITIES}/delete", True),) in {
        rights for one in found for rights in one.any_of
    }


def test_an_empty_batch_names_nothing() -> None:
    with pytest.raises(PathError):
        batch_needs("acc", b"--changeset--")
