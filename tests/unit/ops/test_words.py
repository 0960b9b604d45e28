import pytest

from ops.state import GROUP, MODEL_ACCOUNT, SITE, STORAGE_ACCOUNT, TABLE
from ops.words import kind, lost_with


@pytest.mark.parametrize(
    ("token", "name"),
    [
        ("azure-native:web/v20240401:WebApp", "function app"),
        ("azure-native:storage/v20240101preview:Table", "table"),
        ("azure-native:authorization:ManagementLockByScope", "lock"),
        ("azure-native:network:PrivateDNSZone2", "private dns zone 2"),
        ("assistant:storage:`<ChatStorage>\n#", "chat storage"),
        (f"a:b:{'Abc' * 30}", "abc abc abc abc abc abc abc abc abc abc"),
        ("a:b:::", "resource"),
        ("", "resource"),
    ],
)
def test_a_type_has_a_readable_name(token: str, name: str) -> None:
    assert kind(token) == name


@pytest.mark.parametrize(
    ("token", "name", "lost"),
    [
        (TABLE, "chat-state", ("all conversations",)),
        ("azure-native:storage/v20240101preview:Table", "todos", ("all to-do items",)),
        (TABLE, "leases", ()),
        (TABLE, "new", ("all rows of a table",)),
        (STORAGE_ACCOUNT, "storage-account", ("all conversations", "all to-do items")),
        (SITE, "function-app", ()),
    ],
)
def test_what_is_lost_is_that_of_the_resource(token: str, name: str, lost: tuple[str, ...]) -> None:
    assert lost_with(token, name) == lost


def test_a_resource_group_is_lost_with_everything_in_it() -> None:
    within = {*lost_with(STORAGE_ACCOUNT, ""), *lost_with(MODEL_ACCOUNT, "")}
    assert within < {*lost_with(GROUP, "group")}
