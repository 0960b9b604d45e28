"""Where the end-to-end tests send their requests.

A real stack where `E2E_ASSISTANTS_URL` is set (with `E2E_FUNCTION_KEY` and
`E2E_TABLE_ENDPOINT`; rows are then read by whoever signs in by ARM_*, or by
DefaultAzureCredential without these), else a local Azure of their own, whose app runs on the Python of
`E2E_PYTHON`.
"""

import json
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableClient
from azure.identity import DefaultAzureCredential

from delivery.package import DEFAULT_PYTHON
from ops.azure import Azure
from tests.workspace import Answer, RunnerWorkspace, Workspace, send, workspace
from tools.pulumi.cli import find


@dataclass(frozen=True)
class Target:
    """A deployed app and its table."""

    assistants_url: str
    key: str = field(repr=False)
    table: Any  # a TableClient, whose methods leave their options untyped
    trusted: ssl.SSLContext

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """`path` is appended to the assistants URL as it is, so that a test can send what no client would."""
        return self.send_to(
            f"{self.assistants_url}{path}", method, body, {"x-functions-key": self.key, **(headers or {})}
        )

    def send_to(
        self, url: str, method: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        return send(self.trusted, method, url, body, headers)

    def post(self, assistant_id: str, message: str) -> Answer:
        content = json.dumps({"message": message}).encode()
        return self.send("POST", f"/{assistant_id}/messages", content, {"content-type": "application/json"})

    def rows(self, assistant_id: str) -> list[dict[str, Any]]:
        rows = self.table.query_entities("PartitionKey eq @id", parameters={"id": assistant_id})
        try:
            return [dict(row) for row in rows]
        except HttpResponseError as error:
            if error.status_code != 403 or "E2E_ASSISTANTS_URL" not in os.environ:
                raise
            # A pipeline's deployer makes the stack and may not read its conversations.
            pytest.skip(f"no role to read {self.table.table_name}: Storage Table Data Reader on the account")


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with workspace(tmp_path_factory.mktemp("e2e")) as clone:
        stack = clone if find(os.environ) else RunnerWorkspace(clone.root, clone.environment)
        # So many requests and tokens that no test is refused for another one.
        clone.run("quota", "OpenAI.GlobalStandard.gpt-5.4-mini", "5000")
        stack.config("modelCapacity", 5000)
        stack.config("pythonVersion", os.environ.get("E2E_PYTHON", DEFAULT_PYTHON))
        stack.up()
        yield stack


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    url = os.environ.get("E2E_ASSISTANTS_URL")
    if url:
        signs_in = "ARM_SUBSCRIPTION_ID" in os.environ
        credential = Azure.sign_in().credential if signs_in else DefaultAzureCredential()
        return Target(
            url,
            os.environ["E2E_FUNCTION_KEY"],
            table_client(os.environ["E2E_TABLE_ENDPOINT"], credential),
            ssl.create_default_context(),
        )
    stack: Workspace = request.getfixturevalue("local")
    return Target(
        stack.outputs()["assistantsUrl"],
        stack.key(),
        table_client(stack.table_endpoint(), stack.developer(), connection_verify=str(stack.home.ca_file)),
        stack.trusted(),
    )


def table_client(endpoint: str, credential: TokenCredential, **options: Any) -> Any:
    return TableClient(endpoint=endpoint, table_name="ChatState", credential=credential, **options)
