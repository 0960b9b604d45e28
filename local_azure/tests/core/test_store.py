from pathlib import Path

import pytest

from local_azure.core import ids
from local_azure.core.errors import ArmError, DamagedStoreError
from local_azure.core.store import SUBSCRIPTION_ID, Resource, Store

GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
ACCOUNT = ids.build(GROUP, "Microsoft.Storage/storageAccounts", "acc")
TABLE = ids.build(GROUP, "Microsoft.Storage/storageAccounts/tableServices/tables", "acc", "default", "T")


def resource(resource_id: str) -> Resource:
    return Resource(id=resource_id, name=ids.name_of(resource_id), type=ids.type_of(resource_id))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "arm.json")


def test_resources_are_there_after_a_new_start(tmp_path: Path) -> None:
    Store(tmp_path / "arm.json").put(resource(GROUP))
    assert Store(tmp_path / "arm.json").get(GROUP) == resource(GROUP)


def test_ids_are_compared_without_case(store: Store) -> None:
    store.put(resource(GROUP))
    assert store.get(GROUP.upper()) == resource(GROUP)


def test_a_changed_copy_does_not_change_the_store(store: Store) -> None:
    store.put(resource(GROUP))
    store.require(GROUP)["location"] = "elsewhere"
    assert "location" not in store.require(GROUP)


def test_delete_takes_everything_below_but_not_a_sibling_with_the_same_start(store: Store) -> None:
    for one in (GROUP, ACCOUNT, TABLE, ACCOUNT + "2"):
        store.put(resource(one))
    store.delete(ACCOUNT)
    assert [one["id"] for one in store.list()] == [GROUP, ACCOUNT + "2"]


def test_list_selects_by_type_and_place(store: Store) -> None:
    for one in (GROUP, ACCOUNT, TABLE):
        store.put(resource(one))
    assert [one["id"] for one in store.list("microsoft.storage/storageaccounts")] == [ACCOUNT]
    assert [one["id"] for one in store.list(under=ACCOUNT)] == [TABLE]


@pytest.mark.parametrize(
    ("present", "wanted", "code"),
    [
        ([], ACCOUNT, "ResourceGroupNotFound"),
        ([GROUP], ACCOUNT, "ResourceNotFound"),
        ([GROUP], TABLE, "ParentResourceNotFound"),
        ([GROUP, ACCOUNT], TABLE, "ResourceNotFound"),
    ],
)
def test_what_is_missing_is_named_as_arm_names_it(
    store: Store, present: list[str], wanted: str, code: str
) -> None:
    for one in present:
        store.put(resource(one))
    with pytest.raises(ArmError) as caught:
        store.require(wanted)
    assert (caught.value.status, caught.value.code) == (404, code)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"version": 2, "resources": []}', '{"version": 1}', '{"version": 1, "resources": [{}]}'],
)
def test_a_damaged_file_names_itself_and_the_command_that_mends_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "arm.json"
    path.write_text(content)
    with pytest.raises(DamagedStoreError) as caught:
        Store(path)
    assert str(path) in str(caught.value)
    assert "python -m local_azure reset" in str(caught.value)
