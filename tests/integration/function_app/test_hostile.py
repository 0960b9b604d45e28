"""Hostile texts in parameters: all requests to the tables concern the assistant that is named."""

import re

import pytest
from assistants import listing
from assistants.routes import parsing
from assistants.tables import conversations
from assistants.tables.clients import Tables
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests import hostile
from tests.host_requests import Api
from tests.hostile import VICTIM
from tests.integration.function_app.conftest import TableRequests
from tests.integration.function_app.rows import conversation

ANY_TEXT = hostile.texts() | st.sampled_from([*hostile.IDS, *hostile.TEXTS])
PARAMETERS = ("limit", "continuationToken", "since", "includeInstructions", "includeLock", "timestampUTC")
OWN_STATE = f"ChatState(PartitionKey='{VICTIM}',RowKey='state')"
OWN_LEASE = f"{{table}}(PartitionKey='{VICTIM}',RowKey='lease')"
# In filters of this app's own making.
OWN_MESSAGES = re.compile(
    rf"PartitionKey eq '{VICTIM}' and RowKey gt 'msg-[0-9A-F]*' and RowKey lt 'state'"
    r"( and CreatedAt ge datetime'[0-9T:.-]+Z')?( and Role ne 'System' and Role ne 'system')?"
)


@pytest.fixture(autouse=True)
def _victim(tables: Tables, table_requests: TableRequests, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] # pytest calls it
    conversation(tables, VICTIM, "Hi", "Hello.")
    table_requests.taken()
    monkeypatch.setattr(listing, "HEAD_START_SECONDS", 60)  # however slow the machine is: no walk


def test_no_parameter_gets_into_a_filter(api: Api, table_requests: TableRequests) -> None:
    """All that a route may read is the assistant that is named."""
    assert api.get(VICTIM).status_code == 200
    rows = [(sent.resource, sent.rows) for sent in table_requests.taken()]
    assert rows == [(OWN_STATE, 1), ("ChatState()", 2)]

    @examples(max_examples=200)
    @given(st.sampled_from(PARAMETERS), ANY_TEXT)
    @example("continuationToken", "bTptc2ctMDAwMScgb3IgJ2EnIGVxICdh")  # m:msg-0001' or 'a' eq 'a
    @example("since", "2026-11-25' or PartitionKey ne 'x")
    @example("since", "2026-11-25T08:00:00Z")
    @example("timestampUTC", "2026-11-25T08:00:00%2527Z")
    @example("timestampUTC", "2026-11-25")
    def check(name: str, value: str) -> None:
        assert api.get(VICTIM, {name: value}).status_code in (200, 400)
        for sent in table_requests.taken():
            assert sent.resource in (OWN_STATE, OWN_LEASE) or OWN_MESSAGES.fullmatch(sent.filter)

    check()


def test_a_token_of_the_list_is_a_literal_in_its_filter(api: Api, table_requests: TableRequests) -> None:
    """Others may write to the table, so that a page may end at a key that no request could name."""

    @examples(max_examples=100)
    @given(ANY_TEXT)
    def check(last_partition: str) -> None:
        token = parsing.encode_token("a", last_partition)
        response = api.list_assistants({"continuationToken": token})
        sent = table_requests.taken()
        if response.status_code == 400:
            assert sent == []
            return
        literal = last_partition.replace("'", "''")
        assert response.status_code == 200
        assert sent[0].filter == f"PartitionKey gt '{literal}' and RowKey eq 'state'"
        next(conversations.partitions_after(api.tables, last_partition, ""), None)
        assert table_requests.taken()[0].filter == f"PartitionKey gt '{literal}'"

    check()
