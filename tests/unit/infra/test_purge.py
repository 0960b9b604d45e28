"""The soft-deleted model account goes with the stack, or the error says what to do."""

from typing import Any

import pytest
from pulumi.dynamic import ConfigureRequest
from pulumi.dynamic.config import Config
from pulumi.output import Unknown

from infra.dynamic.purged_account import PurgedAccountProvider, PurgeError
from tests.unit.delivery.loopback import Azure, Reply

INPUTS: dict[str, Any] = {"subscription_id": "s", "location": "eastus2", "group": "rg", "account": "oai"}
FOUND: dict[str, Any] = {**INPUTS, "group_id": "/subscriptions/s/resourceGroups/rg", "account_missing": ""}
DELETED = (
    "/subscriptions/s/providers/Microsoft.CognitiveServices/locations/eastus2/resourceGroups/rg"
    "/deletedAccounts/oai"
)
OPERATION = "/subscriptions/s/operations/1"


def provider() -> PurgedAccountProvider:
    made = PurgedAccountProvider()
    made.configure(ConfigureRequest(Config({}, "assistant")))
    return made


def delete() -> None:
    provider().delete("id", {**INPUTS, "__provider": "pickle"})


def test_a_soft_deleted_account_is_purged_and_waited_for(azure: Azure) -> None:
    azure.answers(f"GET {DELETED}", Reply(200, {"name": "oai"}, {"Content-Type": "application/json"}))
    poll = {"Location": f"https://{azure.host}{OPERATION}", "Retry-After": "1"}
    azure.answers(f"DELETE {DELETED}", Reply(202, "", poll))
    azure.answers(f"GET {OPERATION}", Reply(202, "", poll), Reply(204))

    delete()

    assert len(azure.requests(f"DELETE {DELETED}")) == 1
    assert len(azure.requests(f"GET {OPERATION}")) == 2


def test_nothing_is_purged_where_nothing_is_deleted(azure: Azure) -> None:
    missing: dict[str, Any] = {"error": {"code": "ResourceNotFound", "message": "Not found."}}
    azure.answers(f"GET {DELETED}", Reply(404, missing, {"Content-Type": "application/json"}))

    delete()

    assert azure.requests(f"GET {DELETED}")
    assert not azure.requests(f"DELETE {DELETED}")


def test_a_refused_purge_names_the_right_that_is_missing_and_the_command(azure: Azure) -> None:
    azure.answers(f"GET {DELETED}", Reply(200, {"name": "oai"}, {"Content-Type": "application/json"}))
    refusal: dict[str, Any] = {"error": {"code": "AuthorizationFailed", "message": "The client may not."}}
    azure.answers(f"DELETE {DELETED}", Reply(403, refusal, {"Content-Type": "application/json"}))

    with pytest.raises(PurgeError, match=r"(?s)The client may not.*Contributor.*--name oai"):
        delete()


@pytest.mark.parametrize("step", ["create", "update"])
def test_an_account_that_was_deleted_without_this_stack_is_purged_before_it_is_created(
    azure: Azure, step: str
) -> None:
    azure.answers(f"GET {DELETED}", Reply(200, {"name": "oai"}, {"Content-Type": "application/json"}))
    azure.answers(f"DELETE {DELETED}", Reply(204))
    missing = {**FOUND, "account_missing": "1"}

    outputs = (
        provider().create(missing).outs if step == "create" else provider().update("id", FOUND, missing).outs
    )

    assert outputs == missing
    assert len(azure.requests(f"DELETE {DELETED}")) == 1


@pytest.mark.parametrize("key", sorted(INPUTS))
def test_another_account_is_another_resource(key: str) -> None:
    answer = provider().diff("id", FOUND, {**FOUND, key: "other"})

    assert (answer.changes, answer.replaces) == (True, [key])


def test_a_group_that_is_replaced_replaces_it_too() -> None:
    """The engine asks so, with what comes from the group unknown, before it deletes the group."""
    answer = provider().diff("id", FOUND, {**FOUND, "group_id": Unknown()})

    assert (answer.changes, answer.replaces) == (True, ["group_id"])


@pytest.mark.parametrize(
    ("olds", "missing"),
    [(FOUND, "2"), ({**FOUND, "account_missing": "1"}, "2"), (INPUTS, "")],
    ids=["account-gone", "account-gone-again", "older-state"],
)
def test_where_the_account_is_gone_or_the_state_is_older_it_is_updated(
    olds: dict[str, Any], missing: str
) -> None:
    answer = provider().diff("id", olds, {**FOUND, "account_missing": missing})

    assert (answer.changes, answer.replaces) == (True, [])


def test_the_same_account_is_no_change() -> None:
    created = {**FOUND, "account_missing": "1"}  # as the first `up` records it
    assert not provider().diff("id", created, {**FOUND, "__provider": "pickle"}).changes
    assert not provider().diff("id", created, created).changes, "a refresh compares the state with itself"
