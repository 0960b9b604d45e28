"""The smoke test of a deployed stack: creates an assistant, posts one message and deletes the assistant."""

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

from requests import RequestException, Session
from requests.exceptions import SSLError

from delivery.package import url_path
from delivery.publish import KEY_CHECK_PATH, KEYS_UNREADABLE, WRONG_KEY, Clock, through_proxy
from infra.names import CHAT_STATE_TABLE
from ops.output import OpsError, note
from ops.state import SITE, STORAGE_ACCOUNT, Resource, group_and_name, only_resource

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

TIMEOUT = 90.0
"""Seconds for each step: a cold start on Flex takes half a minute, and new keys some seconds."""

_ROLE_TIMEOUT_FACTOR = 8
"""Factor for the timeout if the app reports a missing role: 12 minutes, as long as assignments take."""
_ROLE = re.compile(r"\brole\b", re.IGNORECASE)
_HEALTH_ANSWERS = 5
"""Consecutive answers, each on a new connection: an instance of the previous package may still run."""
_MESSAGE = "Reply with the one word: ready"
MESSAGE_TOKENS = "about a hundred tokens"
_POST_SECONDS = 240
"""Azure's front end answers after 230."""

_ID_WITHOUT_TRACE = "smoke-test"
"""If the rows cannot be deleted, every test uses this id, so that it replaces the previous rows."""


class SmokeError(Exception):
    """The app fails the test. The message describes its answer and contains no secret."""


@dataclass(frozen=True)
class Target:
    """A deployed app, from the state of its stack. The URLs have no trailing slash."""

    resource_group: str
    site_name: str
    url: str
    table_endpoint: str


class Table(Protocol):
    """The chat-state rows of an assistant. Both methods raise PermissionError if a role is missing."""

    def rows(self, assistant_id: str) -> list[str]:
        """The row keys."""
        ...

    def remove(self, assistant_id: str) -> None: ...


@dataclass(frozen=True)
class SmokeTest:
    """`key` returns the function key; it is called for each request, so that the key is not stored."""

    target: Target
    key: Callable[[], str]
    table: Table
    session: Session = field(repr=False)
    clock: Clock = field(default_factory=Clock)
    timeout: float = TIMEOUT
    post_message: bool = True

    def run(self, package_hash: str) -> list[str]:
        """Run the test. Returns one line for each check. Raises SmokeError if the app fails."""
        self._health(package_hash)
        reads = self._may_read()
        assistant_id = f"smoke-test-{secrets.token_hex(8)}" if reads else _ID_WITHOUT_TRACE
        stay = ""
        try:
            self._create(assistant_id)
            if reads:
                self._stored(assistant_id)
            if self.post_message:
                self._post(assistant_id)
            self._health(package_hash)
        finally:
            stay = self._remove(assistant_id, reads)
        rows = f"its rows are in {CHAT_STATE_TABLE}, and removed again"
        if stay:
            rows = f"its rows are in {CHAT_STATE_TABLE}; {stay}"
        elif not reads:
            rows = f"its rows were not checked: no role to read {CHAT_STATE_TABLE}; the app removed them"
        messages_path = url_path(f"assistants/{assistant_id}/messages")
        posted = f"POST {messages_path} answers 200 with a reply of the model"
        if not self.post_message:
            posted = "no message was posted, so the role for the model and its deployment are not tested"
        return [
            f"{self.target.url}{url_path('health')} answers package {package_hash[:12]}",
            f"PUT {url_path(f'assistants/{assistant_id}')} answers 202",
            posted,
            rows,
        ]

    def _health(self, package_hash: str) -> None:
        url = f"{self.target.url}{url_path('health')}"

        def check() -> str | None:
            for _ in range(_HEALTH_ANSWERS):
                status, body = self._send("GET", url, {"Connection": "close"})
                running = cast(dict[str, Any], body).get("package") if isinstance(body, dict) else None
                if status != 200 or running != package_hash:
                    answered = f"package {running}" if status == 200 else _describe(status, body)
                    return f"{url} answers {answered}, not package {package_hash}"
            return None

        self._until(check)

    def _create(self, assistant_id: str) -> None:
        path = url_path(f"assistants/{assistant_id}")

        def check() -> str | None:
            status, body = self._send("PUT", f"{self.target.url}{path}", {"x-functions-key": self.key()})
            if status == 202 and body == {"assistantId": assistant_id}:
                return None
            answered = f"{_describe(status, body)}, not 202 with the assistant's id"
            return f"PUT {path} answers {answered}{self._host_cause(status, body)}"

        self._until(check)

    def _post(self, assistant_id: str) -> None:
        path = url_path(f"assistants/{assistant_id}/messages")

        def check() -> str | None:
            status, body = self._send(
                "POST",
                f"{self.target.url}{path}",
                {"x-functions-key": self.key()},
                {"message": _MESSAGE},
                seconds=_POST_SECONDS,
            )
            if status == 200 and isinstance(body, dict) and "reply" in body:
                return None
            answered = f"{_describe(status, body)}, not 200 with a reply"
            return f"POST {path} answers {answered}{self._host_cause(status, body)}"

        self._until(check)

    def _host_cause(self, status: int, body: Any) -> str:
        """The explanation for an answer of a host that cannot read its keys; empty for any other answer."""
        if status != 500 or body:
            return ""
        keys_status, _ = self._send("GET", f"{self.target.url}{KEY_CHECK_PATH}", WRONG_KEY)
        return f". {KEYS_UNREADABLE}" if keys_status == 500 else ""

    def _may_read(self) -> bool:
        try:
            self.table.rows(_ID_WITHOUT_TRACE)
        except PermissionError:
            return False
        return True

    def _stored(self, assistant_id: str) -> None:
        keys = self.table.rows(assistant_id)
        if "state" not in keys:
            raise SmokeError(
                f"the answer was 202, but {CHAT_STATE_TABLE} holds no row `state` of {assistant_id}: "
                f"{', '.join(keys) or 'no row at all'}"
            )

    def _remove(self, assistant_id: str, reads: bool) -> str:
        """Delete the assistant. Returns the reason if rows remain, otherwise an empty text.

        It raises no error that would replace that of the test. The app's DELETE also removes the lease; if
        it fails, the rows are removed from the table directly.
        """
        path = url_path(f"assistants/{assistant_id}")
        try:
            status, body = self._send("DELETE", f"{self.target.url}{path}", {"x-functions-key": self.key()})
            if status == 204:
                return ""
            if not reads:
                return f"the rows of {assistant_id} stay: DELETE {path} answers {_describe(status, body)}"
            self.table.remove(assistant_id)
        except PermissionError:
            return f"the rows of {assistant_id} stay: no role to remove them"
        except (OpsError, SmokeError) as error:
            stay = f"the rows of {assistant_id} stay: {error}"
            note(f"warning: {stay}")
            return stay
        return ""

    def _until(self, check: Callable[[], str | None]) -> None:
        """Repeat the check until it passes or the timeout expires. Raises SmokeError with the last failure.

        An app that has just started may fail at first, and a role assignment takes minutes.
        """
        start = self.clock.now()
        for pause in exponential_backoff():
            wrong = check()
            if wrong is None:
                return
            timeout = self.timeout * (_ROLE_TIMEOUT_FACTOR if _ROLE.search(wrong) else 1)
            if self.clock.now() + pause > start + timeout:
                raise SmokeError(wrong)
            self.clock.sleep(pause)

    def _send(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        body: dict[str, str] | None = None,
        *,
        seconds: float = 60,
    ) -> tuple[int, Any]:
        """The status and the JSON body: status 0 if there is no answer, and text if the body is not JSON."""
        try:
            answer = self.session.request(
                method, url, headers=headers, json=body, timeout=(10, seconds), allow_redirects=False
            )
        except SSLError as error:
            raise OpsError(
                f"{url}: {through_proxy(url)}the certificate is not trusted ({error}). "
                "Set REQUESTS_CA_BUNDLE to the certificate of its authority."
            ) from error
        except RequestException as error:
            return 0, f"{through_proxy(url)}{type(error).__name__}"
        try:
            return answer.status_code, answer.json()
        except ValueError:
            return answer.status_code, answer.text


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
            f"the state of {site.name} or {account.name} has no {error}: run `pulumi refresh`"
        ) from error


class ChatStateTable:
    """`Table` with the Azure SDK."""

    def __init__(self, endpoint: str, credential: "TokenCredential") -> None:
        from azure.data.tables import TableClient  # noqa: PLC0415 # slow to import, and not always needed

        # The options of its methods are untyped.
        self._client: Any = TableClient(endpoint, CHAT_STATE_TABLE, credential=credential)

    def rows(self, assistant_id: str) -> list[str]:
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 # as above

        try:
            entities = self._client.query_entities(
                "PartitionKey eq @id", parameters={"id": assistant_id}, select=["RowKey"]
            )
            return [str(row["RowKey"]) for row in entities]
        except HttpResponseError as error:
            raise _refusal(error, "read") from error
        except AzureError as error:
            raise OpsError(f"the table {CHAT_STATE_TABLE} cannot be read: {_first_line(error)}") from error

    def remove(self, assistant_id: str) -> None:
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 # as above

        try:
            for key in self.rows(assistant_id):
                self._client.delete_entity(assistant_id, key)
        except HttpResponseError as error:
            raise _refusal(error, "changed") from error
        except AzureError as error:
            raise OpsError(f"the table {CHAT_STATE_TABLE} cannot be changed: {_first_line(error)}") from error


def _refusal(error: Any, what: str) -> Exception:
    if error.status_code == 403:
        return PermissionError(CHAT_STATE_TABLE)
    if error.status_code == 404:
        return SmokeError(f"the table {CHAT_STATE_TABLE} does not exist: {_first_line(error)}")
    return OpsError(f"the table {CHAT_STATE_TABLE} cannot be {what}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _describe(status: int, body: Any) -> str:
    detail = cast(dict[str, Any], body).get("detail") if isinstance(body, dict) else None
    words = str(cast(object, body)) if detail is None else str(detail)
    text = " ".join(words.split())[: 200 if detail is None else 600]
    if status == 0:
        return f"nothing ({text})"
    return f"{status} ({text})" if text else f"{status} with no body"


def exponential_backoff() -> Iterator[float]:
    seconds = 1.0
    while True:
        yield min(seconds, 10.0)
        seconds *= 2
