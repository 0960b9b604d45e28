import pytest

from ops.words import kind, lost_with


@pytest.mark.parametrize(
    ("token", "name", "loses_data"),
    [
        ("azure-native:web/v20240401:WebApp", "function app", False),
        ("azure-native:storage/v20240101preview:Table", "table", True),
        ("azure-native:authorization:ManagementLockByScope", "lock", False),
        ("azure-native:resources:ResourceGroup", "resource group", True),
        ("azure-native:network:PrivateDNSZone2", "private dns zone 2", False),
        ("assistant:storage:`<ChatStorage>\n#", "chat storage", False),
        (f"a:b:{'Abc' * 30}", "abc abc abc abc abc abc abc abc abc abc", False),
        ("a:b:::", "resource", False),
        ("", "resource", False),
    ],
)
def test_a_type_has_a_readable_name(token: str, name: str, loses_data: bool) -> None:
    assert (kind(token), bool(lost_with(token))) == (name, loses_data)
