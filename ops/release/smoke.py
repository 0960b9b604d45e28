"""The smoke test of a deployed stack: creates an assistant, posts one message, reads and deletes both.

All of it goes through the app's API, so the identity that deploys needs no role on the app's tables.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

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
from ops.output import OpsError, note
from ops.state import SITE, STORAGE_ACCOUNT, Resource, group_and_name, only_resource
from tools.pulumi.typed import as_typed

TIMEOUT = 90.0
"""Seconds for each step: a cold start on Flex takes half a minute, and new keys some seconds."""

_ROLE_TIMEOUT_FACTOR = 8
"""Factor for the timeout if the app reports a missing role: 12 minutes, as long as assignments take."""
_ROLE = re.compile(r"\brole\b", re.IGNORECASE)
_MISSING = re.compile(rf"{_ROLE.pattern}|does not have the deployment|must have the identity", re.IGNORECASE)
"""In the app's problem documents (routes/post.py, tables/failures.py) if something is missing in Azure."""
_HEALTH_ANSWERS = 5
"""Consecutive answers, each on a new connection: an instance of the previous package may still run."""
_MESSAGE = "Reply with the one word: ready"
MESSAGE_TOKENS = "about a hundred tokens"
_POST_SECONDS = 240.0
"""Azure's front end answers after 230."""


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


@dataclass(frozen=True)
class SmokeTest:
    """`key` returns the function key of the app at `url`; called for each request, so it is not stored."""

    url: str
    key: Callable[[], str]
    session: Session = field(repr=False)
    clock: Clock = field(default_factory=Clock)
    timeout: float = TIMEOUT
    post_message: bool = True

    def run(self, package_hash: str) -> list[str]:
        """Run the test. Returns one line for each check. Raises SmokeError if the app fails."""
        self._check_health(package_hash)
        assistant_id = f"smoke-test-{secrets.token_hex(8)}"
        path, created = url_path(f"assistants/{assistant_id}"), {"assistantId": assistant_id}
        posted = "no message was posted, so the role for the model and its deployment are not tested"
        try:
            self._check("PUT", path, 202, lambda body: body == created, "the assistant's id")
            if self.post_message:
                messages, message = f"{path}/messages", {"message": _MESSAGE}
                self._check("POST", messages, 200, lambda body: "reply" in body, "a reply", message=message)
                posted = f"POST {messages} answers 200 with a reply of the model"
            self._check("GET", path, 200, lambda body: created.items() <= body.items(), "the assistant")
            self._check_health(package_hash)
        finally:
            deletion = self._delete(path)
        return [
            f"{self.url}{url_path('health')} answers package {package_hash[:12]}",
            f"PUT {path} answers 202",
            posted,
            f"GET {path} answers 200 with the assistant",
            deletion,
        ]

    def _check_health(self, package_hash: str) -> None:
        def check() -> None:
            for _ in range(_HEALTH_ANSWERS):
                answer = health(self.session, self.url)
                running = answer.members().get("package")
                if answer.status != 200 or running != package_hash:
                    actual = f"package {running}" if answer.status == 200 else _describe(answer)
                    url = f"{self.url}{url_path('health')}"
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
        return send(self.session, method, f"{self.url}{path}", headers, body)

    def _unreadable_keys(self, answer: Answer) -> str:
        """The explanation for an answer of a host that cannot read its keys; empty for any other answer."""
        if answer.status != 500 or answer.text:
            return ""
        key_check = send(self.session, "GET", f"{self.url}{KEY_CHECK_PATH}", WRONG_KEY)
        return f". {KEYS_UNREADABLE}" if key_check.status == 500 else ""

    def _delete(self, path: str) -> str:
        """Delete the assistant. Returns the line about it; raises nothing that would hide a failure."""
        try:
            answer = self._send("DELETE", path)
        except OpsError as error:
            line = f"the assistant stays: {error}"
        else:
            line = f"DELETE {path} answers {_describe(answer)}"
            if answer.status == 204:
                return f"DELETE {path} answers 204"
            line += ", so the assistant stays"
        note(f"warning: {line}")
        return line

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
