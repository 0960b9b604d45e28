from pathlib import Path

import pytest

from local_azure.core import ids
from local_azure.core.errors import ArmError, DamagedStoreError
from local_azure.core.store import SUBSCRIPTION_ID, Resource, Store

GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
ACCOUNT = ids.build(GROUP, "Microsoft.Storage/storageAccounts", "acc")
TABLE = ids.build(GROUP, "Microsoft.Storage/storageAccounts/tableServices/tables", "acc", "default", "T")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "arm.json"


def store_with(file: Path, *resource_ids: str) -> Store:
    store = Store(file)
    for resource_id in resource_ids:
        name, resource_type = ids.name_of(resource_id), ids.type_of(resource_id)
        store.put(Resource(id=resource_id, name=name, type=resource_type))
    return store


def ids_of(resources: list[Resource]) -> list[str]:
    return [resource["id"] for resource in resources]


def test_resources_survive_a_restart_and_ids_have_no_case(file: Path) -> None:
    store = store_with(file, GROUP, ACCOUNT)
    assert Store(file).list() == store.list()
    assert store.get(GROUP.upper()) == store.require(GROUP)


def test_a_changed_copy_does_not_change_the_store(file: Path) -> None:
    store = store_with(file, GROUP)
    store.require(GROUP)["location"] = "elsewhere"
    assert "location" not in store.require(GROUP)


def test_delete_removes_everything_below_but_not_a_sibling_with_the_same_start(file: Path) -> None:
    store_with(file, GROUP, ACCOUNT, TABLE, ACCOUNT + "2").delete(ACCOUNT)
    assert ids_of(Store(file).list()) == [GROUP, ACCOUNT + "2"]


def test_forget_removes_one_resource_only(file: Path) -> None:
    store_with(file, GROUP, ACCOUNT, TABLE).forget(ACCOUNT.upper())
    assert ids_of(Store(file).list()) == [GROUP, TABLE]


def test_list_selects_by_type_and_scope(file: Path) -> None:
    store = store_with(file, GROUP, ACCOUNT, TABLE)
    assert ids_of(store.list("microsoft.storage/storageaccounts")) == [ACCOUNT]
    assert ids_of(store.list(under=ACCOUNT)) == [TABLE]


@pytest.mark.parametrize(
    ("present", "missing", "code"),
    [
        ([], ACCOUNT, "ResourceGroupNotFound"),
        ([GROUP], ACCOUNT, "ResourceNotFound"),
        ([GROUP], TABLE, "ParentResourceNotFound"),
        ([GROUP, ACCOUNT], TABLE, "ResourceNotFound"),
    ],
)
def test_a_missing_resource_has_arms_error(file: Path, present: list[str], missing: str, code: str) -> None:
    with pytest.raises(ArmError) as error:
        store_with(file, *present).require(missing)
    assert (error.value.status, error.value.code) == (404, code)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "\xff",
        '{"version": 2, "resources": []}',
        '{"version": 1}',
        '{"version": 1, "resources": 1}',
        '{"version": 1, "resources": [{"type": "t"}]}',
        '{"version": 1, "resources": [{"id": "i"}]}',
    ],
)
def test_the_error_of_a_damaged_file_names_it_and_the_command_that_removes_it(
    file: Path, content: str
) -> None:
    file.write_text(content, encoding="latin-1")
    with pytest.raises(DamagedStoreError) as error:
        Store(file)
    assert str(file) in str(error.value)
    assert "python -m local_azure reset" in str(error.value)
