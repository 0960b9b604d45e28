"""The soft-deleted model account is purged, or the error names what to do."""

from typing import Any

import pytest
from pulumi.dynamic import ConfigureRequest
from pulumi.dynamic.config import Config
from pulumi.output import Unknown

from infra.dynamic import purged_account
from infra.dynamic.purged_account import PurgedAccountProvider, PurgeError
from tests.fake_azure import IDENTITY, Azure, Reply

INPUTS: dict[str, Any] = {"subscription_id": "s", "location": "eastus2", "group": "rg", "account": "oai"}
STATE: dict[str, Any] = {**INPUTS, "group_id": "/subscriptions/s/resourceGroups/rg", "account_missing": ""}
DELETED = (
    "/subscriptions/s/providers/Microsoft.CognitiveServices/locations/eastus2/resourceGroups/rg"
    "/deletedAccounts/oai"
)
OPERATION = "/subscriptions/s/operations/1"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def deleted(azure: Azure) -> Azure:
    """The account is soft-deleted, and can be purged."""
    azure.answers(f"GET {DELETED}", Reply(200, {"name": "oai"}, JSON))
    azure.answers(f"DELETE {DELETED}", Reply(204))
    return azure


def provider() -> PurgedAccountProvider:
    provider = PurgedAccountProvider()
    provider.configure(ConfigureRequest(Config({}, "assistant")))
    return provider


def delete() -> None:
    provider().delete("id", {**INPUTS, "__provider": "pickle"})


def accept(azure: Azure, *last: Reply) -> None:
    """The purge goes on after it was accepted."""
    poll = {"Location": f"https://{azure.host}{OPERATION}", "Retry-After": "0"}
    azure.answers(f"DELETE {DELETED}", Reply(202, "", poll))
    azure.answers(f"GET {OPERATION}", Reply(202, "", poll), *last)


def test_a_soft_deleted_account_is_purged_until_the_operation_ends(
    deleted: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    accept(deleted, Reply(204))
    delete()
    (request,) = deleted.requests(f"DELETE {DELETED}")
    assert request.headers["Authorization"] == "Bearer tok3n"
    assert len(deleted.requests(f"GET {OPERATION}")) == 2
    audiences = {request.query["resource"].rstrip("/") for request in deleted.requests(IDENTITY)}
    assert audiences == {f"https://{deleted.host}"}  # of the stack's cloud
    assert "Purged the deleted model account oai" in capsys.readouterr().err


def test_without_a_deleted_account_nothing_is_purged(
    azure: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {"error": {"code": "ResourceNotFound", "message": "Not found."}}
    azure.answers(f"GET {DELETED}", Reply(404, missing, JSON))
    delete()
    assert azure.requests(f"GET {DELETED}")
    assert not azure.requests(f"DELETE {DELETED}")
    assert capsys.readouterr().err == ""


def test_a_refused_purge_names_the_missing_permission_and_the_command(deleted: Azure) -> None:
    refusal = {"error": {"code": "AuthorizationFailed", "message": "The client may not."}}
    deleted.answers(f"DELETE {DELETED}", Reply(403, refusal, JSON))
    with pytest.raises(
        PurgeError, match=r"(?s)The client may not.*Contributor.*--location eastus2.*--name oai"
    ):
        delete()


def test_a_purge_that_does_not_end_is_an_error(deleted: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    accept(deleted)
    monkeypatch.setattr(purged_account, "PURGE_DEADLINE", 0.0)
    with pytest.raises(PurgeError, match="it has not ended after 0 minutes"):
        delete()


@pytest.mark.parametrize("step", ["create", "update"])
def test_an_account_that_was_deleted_outside_this_stack_is_purged_before_it_is_created(
    deleted: Azure, step: str
) -> None:
    missing = {**STATE, "account_missing": "1"}
    given = {**missing, "__provider": "pickle"}
    if step == "create":
        created = provider().create(given)
        assert (created.id, created.outs) == ("eastus2/rg/oai", missing)
    else:
        assert provider().update("id", STATE, given).outs == missing
    assert len(deleted.requests(f"DELETE {DELETED}")) == 1


CREATED = {**STATE, "account_missing": "1"}  # as the first `up` records it


@pytest.mark.parametrize(
    ("olds", "news", "changes", "replaces"),
    [
        *((STATE, {**STATE, key: "other"}, True, [key]) for key in INPUTS),
        # The group is replaced: the engine asks with its outputs unknown, before it deletes the group.
        (STATE, {**STATE, "group_id": Unknown()}, True, ["group_id"]),
        (STATE, CREATED, True, []),
        (CREATED, {**STATE, "account_missing": "2"}, True, []),
        (INPUTS, STATE, True, []),  # a state from before 2026-12
        (CREATED, STATE, False, []),
        (CREATED, CREATED, False, []),  # a refresh compares the state with itself
    ],
)
def test_another_account_replaces_and_a_missing_one_updates(
    olds: dict[str, Any], news: dict[str, Any], changes: bool, replaces: list[str]
) -> None:
    diff = provider().diff("id", olds, news)
    assert (diff.changes, diff.replaces) == (changes, replaces)
