import pytest

from local_azure.core import ids

GROUP = "/subscriptions/s/resourceGroups/rg"
TABLE_TYPE = "Microsoft.Storage/storageAccounts/tableServices/tables"
TABLE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/acc/tableServices/default/tables/T"
LOCK = f"{TABLE}/providers/Microsoft.Authorization/locks/keep"


def test_build_and_parse_are_inverse() -> None:
    assert ids.build(GROUP, TABLE_TYPE, "acc", "default", "T") == TABLE
    assert ids.parse(TABLE) == (GROUP, TABLE_TYPE, ("acc", "default", "T"))
    with pytest.raises(ValueError, match="needs 3 names, got 1"):
        ids.build(GROUP, TABLE_TYPE, "acc")


def test_the_scope_of_an_extension_resource_is_the_extended_resource() -> None:
    assert ids.parse(LOCK) == (TABLE, "Microsoft.Authorization/locks", ("keep",))


def test_containment_ends_at_a_slash_and_ignores_case() -> None:
    assert ids.is_at_or_below(TABLE.upper(), GROUP)
    assert ids.is_at_or_below(GROUP, GROUP + "/")
    assert ids.is_at_or_below(GROUP, "/")
    assert not ids.is_at_or_below(GROUP + "2", GROUP)


@pytest.mark.parametrize(
    "text",
    ["", "app", "/subscriptions", f"{GROUP}/providers/Microsoft.Web/sites", f"{GROUP}/extra", "/a//b"],
)
def test_other_text_is_not_an_id(text: str) -> None:
    with pytest.raises(ValueError, match="not an ARM resource id"):
        ids.parse(text)
    assert not ids.is_tracked(text)


@pytest.mark.parametrize(
    ("resource_id", "group", "tracked"),
    [
        (GROUP, GROUP, True),
        (f"{GROUP}/providers/Microsoft.Web/sites/app", GROUP, True),
        (TABLE, GROUP, False),
        (LOCK, GROUP, False),
        (f"{GROUP}/providers/Microsoft.Authorization/locks/keep", GROUP, False),
        ("/subscriptions/s", None, False),
        ("/subscriptions/s/providers/Microsoft.Authorization/locks/keep", None, False),
    ],
)
def test_a_resource_is_in_its_group_and_tracked_at_the_top_level(
    resource_id: str, group: str | None, tracked: bool
) -> None:
    assert (ids.resource_group_of(resource_id), ids.is_tracked(resource_id)) == (group, tracked)
