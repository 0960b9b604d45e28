"""The smoke test of a deployed stack: creates an assistant, posts one message and deletes the assistant."""

import re
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from requests import RequestException, Session
from requests.exceptions import SSLError

from delivery.package import url_path
from delivery.publish import (
    KEY_CHECK_PATH,
    KEYS_UNREADABLE,
    WRONG_KEY,
    Answer,
    through_proxy,
)
from delivery.retry import Clock, exponential_backoff, retry_until
from infra.names import CHAT_STATE_TABLE
from ops.azure import first_line, translate_errors
from ops.output import OpsError, note
from ops.state import SITE, STORAGE_ACCOUNT, Resource, group_and_name, only_resource
from tools.pulumi.typed import as_typed

TIMEOUT = 90.0
"""Seconds for each step: a cold start on Flex takes half a minute, and new keys some seconds."""

_ROLE_TIMEOUT_FACTOR = 8
"""Factor for the timeout if the app reports a missing role: 12 minutes, as long as assignments take."""
_ROLE = re.compile(r"\brole\b", re.IGNORECASE)
_MISSING = re.compile(rf"\brole\b|the table {CHAT_STATE_TABLE} does not exist", re.IGNORECASE)
_HEALTH_ANSWERS = 5
"""Consecutive answers, each on a new connection: an instance of the previous package may still run."""
_MESSAGE = "Reply with the one word: ready"
MESSAGE_TOKENS = "about a hundred tokens"
_POST_SECONDS = 240.0
"""Azure's front end answers after 230."""

_ID_WITHOUT_TRACE = "smoke-test"
"""If the rows cannot be deleted, every test uses this id, so that it replaces the previous rows."""


class SmokeError(Exception):
    """The app fails the test. The message describes its answer and contains no secret."""

    @property
    def missing(self) -> bool:
        """Whether the app lacks something in Azure, so that another package would fail, too."""
        return bool(_MISSING.search(str(self)))


@dataclass(frozen=True)
class Target:
    """A deployed app, from the state of its stack. The URLs have no trailing slash."""

    resource_group: str
    site_name: str
    url: str
    table_endpoint: str


class ChatStateTable:
    """The rows of the app's assistants. Both methods raise PermissionError if a role is missing."""

    def __init__(self, endpoint: str, credential: TokenCredential) -> None:
        from azure.data.tables import TableClient  # noqa: PLC0415 # slow to import, and not always needed

        # The options of its methods are untyped.
        self._client: Any = TableClient(endpoint, CHAT_STATE_TABLE, credential=credential)

    def row_keys(self, assistant_id: str) -> list[str]:
        with _translate_table_errors("read"):
            rows = self._client.query_entities(
                "PartitionKey eq @id", parameters={"id": assistant_id}, select=["RowKey"]
            )
            return [str(row["RowKey"]) for row in rows]

    def remove(self, assistant_id: str) -> None:
        with _translate_table_errors("changed"):
            for key in self.row_keys(assistant_id):
                self._client.delete_entity(assistant_id, key)


@contextmanager
def _translate_table_errors(action: str) -> Generator[None]:
    with translate_errors(f"the table {CHAT_STATE_TABLE} cannot be {action}"):
        try:
            yield
        except HttpResponseError as error:
            if error.status_code == 403:
                raise PermissionError(CHAT_STATE_TABLE) from error
            if error.status_code == 404:
                raise SmokeError(
                    f"the table {CHAT_STATE_TABLE} does not exist: {first_line(error)}"
                ) from error
            raise


@dataclass(frozen=True)
class SmokeTest:
    """`key` returns the function key; it is called for each request, so that the key is not stored."""

    target: Target
    key: Callable[[], str]
    table: ChatStateTable
    session: Session = field(repr=False)
    clock: Clock = field(default_factory=Clock)
    timeout: float = TIMEOUT
    post_message: bool = True

    def run(self, package_hash: str) -> list[str]:
        """Run the test. Returns one line for each check. Raises SmokeError if the app fails."""
        self._check_health(package_hash)
        readable = self._table_is_readable()
        assistant_id = f"smoke-test-{secrets.token_hex(8)}" if readable else _ID_WITHOUT_TRACE
        path = url_path(f"assistants/{assistant_id}")
        posted = "no message was posted, so the role for the model and its deployment are not tested"
        try:
            self._check(
                "PUT", path, 202, lambda body: body == {"assistantId": assistant_id}, "the assistant's id"
            )
            if readable:
                self._check_rows(assistant_id)
            if self.post_message:
                messages = f"{path}/messages"
                self._check(
                    "POST",
                    messages,
                    200,
                    lambda body: "reply" in body,
                    "a reply",
                    message={"message": _MESSAGE},
                )
                posted = f"POST {messages} answers 200 with a reply of the model"
            self._check_health(package_hash)
        finally:
            removal = self._remove(assistant_id, path, readable=readable)
        return [
            f"{self.target.url}{url_path('health')} answers package {package_hash[:12]}",
            f"PUT {path} answers 202",
            posted,
            removal,
        ]

    def _check_health(self, package_hash: str) -> None:
        def check() -> None:
            for _ in range(_HEALTH_ANSWERS):
                answer = health(self.session, self.target.url)
                running = answer.members().get("package")
                if answer.status != 200 or running != package_hash:
                    actual = f"package {running}" if answer.status == 200 else _describe(answer)
                    url = f"{self.target.url}{url_path('health')}"
                    raise SmokeError(f"{url} answers {actual}, not package {package_hash}")

        self._retry(check)

    def _check(
        self,
        method: str,
        path: str,
        status: int,
        accepts: Callable[[dict[str, Any]], bool],
        expected: str,
        *,
        message: dict[str, str] | None = None,
    ) -> None:
        """Send a request until its answer has the status and an accepted body. Raises SmokeError."""

        def check() -> None:
            answer = self._send(method, path, message)
            if answer.status != status or not accepts(answer.members()):
                actual = f"{method} {path} answers {_describe(answer)}"
                keys = self._unreadable_keys(answer)
                raise SmokeError(f"{actual}, not {status} with {expected}{keys}")

        self._retry(check)

    def _send(self, method: str, path: str, body: dict[str, str] | None = None) -> Answer:
        headers = {"x-functions-key": self.key()}
        return send(self.session, method, f"{self.target.url}{path}", headers, body)

    def _unreadable_keys(self, answer: Answer) -> str:
        """The explanation for an answer of a host that cannot read its keys; empty for any other answer."""
        if answer.status != 500 or answer.text:
            return ""
        key_check = send(self.session, "GET", f"{self.target.url}{KEY_CHECK_PATH}", WRONG_KEY)
        return f". {KEYS_UNREADABLE}" if key_check.status == 500 else ""

    def _table_is_readable(self) -> bool:
        try:
            self.table.row_keys(_ID_WITHOUT_TRACE)
        except PermissionError:
            return False
        return True

    def _check_rows(self, assistant_id: str) -> None:
        keys = self.table.row_keys(assistant_id)
        if "state" not in keys:
            raise SmokeError(
                f"the answer was 202, but {CHAT_STATE_TABLE} holds no row `state` of {assistant_id}: "
                f"{', '.join(keys) or 'no row at all'}"
            )

    def _remove(self, assistant_id: str, path: str, *, readable: bool) -> str:
        """Delete the assistant. Returns the line about its rows; raises nothing that would hide a failure.

        The app's DELETE also removes the lease; if it fails, the rows are removed from the table directly.
        """
        rows, remain = f"its rows are in {CHAT_STATE_TABLE}", f"the rows of {assistant_id} stay"
        try:
            answer = self._send("DELETE", path)
            if answer.status == 204 and not readable:
                return f"its rows were not checked: no role to read {CHAT_STATE_TABLE}; the app removed them"
            if answer.status != 204 and not readable:
                return f"{rows}; {remain}: DELETE {path} answers {_describe(answer)}"
            if answer.status != 204:
                self.table.remove(assistant_id)
        except PermissionError:
            return f"{rows}; {remain}: no role to remove them"
        except (OpsError, SmokeError) as error:
            note(f"warning: {remain}: {error}")
            return f"{rows}; {remain}: {error}"
        return f"{rows}, and removed again"

    def _retry(self, check: Callable[[], None]) -> None:
        """Repeat the check until it raises no SmokeError, or the timeout expires.

        An app that has just started may fail at first, and a role assignment takes minutes.
        """
        start = self.clock.now()

        def wait(error: SmokeError, pause: float) -> float | None:
            timeout = self.timeout * (_ROLE_TIMEOUT_FACTOR if _ROLE.search(str(error)) else 1)
            return pause if self.clock.now() + pause <= start + timeout else None

        retry_until(check, SmokeError, exponential_backoff(longest=10.0), wait=wait, sleep=self.clock.sleep)


def health(session: Session, url: str) -> Answer:
    """The answer of the app's health route on a new connection. Raises OpsError as `send`."""
    return send(session, "GET", f"{url}{url_path('health')}", {"Connection": "close"})


def send(
    session: Session, method: str, url: str, headers: dict[str, str], body: dict[str, str] | None = None
) -> Answer:
    """Send a request, a body as JSON. Raises OpsError if the certificate is not trusted."""
    try:
        response = session.request(
            method,
            url,
            headers=headers,
            json=body,
            timeout=(10, _POST_SECONDS if body else 60),
            allow_redirects=False,
        )
    except SSLError as error:
        raise OpsError(
            f"{url}: {through_proxy(url)}the certificate is not trusted ({error}). "
            "Set REQUESTS_CA_BUNDLE to the certificate of its authority."
        ) from error
    except RequestException as error:
        return Answer(0, f"{through_proxy(url)}{type(error).__name__}")
    return Answer(response.status_code, response.text)


def target_of(stack: list[Resource]) -> Target:
    """The app of a stack. Raises OpsError if the state has no site or no storage account."""
    site, account = only_resource(stack, SITE), only_resource(stack, STORAGE_ACCOUNT)
    group, name = group_and_name(site.id)
    try:
        return Target(
            group,
            name,
            f"https://{site.outputs['defaultHostName']}",
            account.outputs["primaryEndpoints"]["table"].rstrip("/"),
        )
    except (KeyError, TypeError) as error:
        raise OpsError(
            f"the state of {site.name} or {account.name} has no {error}: run `{as_typed('pulumi refresh')}`"
        ) from error


def _describe(answer: Answer) -> str:
    detail = answer.members().get("detail")
    text = " ".join(str(detail or answer.text).split())[: 600 if detail else 200]
    if answer.status == 0:
        return f"nothing ({text})"
    return f"{answer.status} ({text})" if text else f"{answer.status} with no body"
