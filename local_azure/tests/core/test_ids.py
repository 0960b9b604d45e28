import pytest

from local_azure.core import ids

GROUP = "/subscriptions/s/resourceGroups/rg"
TABLE_TYPE = "Microsoft.Storage/storageAccounts/tableServices/tables"
TABLE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/acc/tableServices/default/tables/T"
LOCK = f"{TABLE}/providers/Microsoft.Authorization/locks/keep"


def test_build_and_parse_are_inverse() -> None:
    assert ids.build(GROUP, TABLE_TYPE, "acc", "default", "T") == TABLE
    assert ids.parse(TABLE) == (GROUP, TABLE_TYPE, ("acc", "default", "T"))


def test_an_extension_resource_has_the_extended_resource_as_scope() -> None:
    assert ids.parse(LOCK) == (TABLE, "Microsoft.Authorization/locks", ("keep",))
    assert ids.parent_of(LOCK) == TABLE


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        (TABLE, f"{GROUP}/providers/Microsoft.Storage/storageAccounts/acc/tableServices/default"),
        (f"{GROUP}/providers/Microsoft.Web/sites/app", GROUP),
        (GROUP, "/subscriptions/s"),
        ("/subscriptions/s", None),
    ],
)
def test_parent(child: str, parent: str | None) -> None:
    assert ids.parent_of(child) == parent


def test_containment_ends_at_a_slash_and_ignores_case() -> None:
    assert ids.is_at_or_below(TABLE.upper(), GROUP)
    assert ids.is_at_or_below(GROUP, GROUP + "/")
    assert ids.is_at_or_below(GROUP, "/")
    assert not ids.is_at_or_below(GROUP + "2", GROUP)


@pytest.mark.parametrize(
    "text",
    ["", "app", "/subscriptions", f"{GROUP}/providers/Microsoft.Web/sites", f"{GROUP}/extra", "/a//b"],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an ARM resource id"):
        ids.parse(text)


def test_resource_group_of() -> None:
    assert ids.resource_group_of(LOCK) == GROUP
    assert ids.resource_group_of("/subscriptions/s") is None
