"""One Deploy on a Flex Consumption site: push a package, wait for it, prove that it runs.

The protocol is that of `azd` and Core Tools (Azure/azure-dev funcapp_host_client.go,
Azure/azure-functions-core-tools PublishFunctionAppAction.cs): a zip posted to
`/api/publish` of the deployment site, a deployment id back, its status polled. A status of
success says that the package was stored, not that the code runs, so the site is asked too.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, cast

from requests import RequestException, Session
from requests.exceptions import SSLError
from requests.utils import get_environ_proxies, select_proxy

from delivery.package import PUSH_AGAIN_VARIABLE, url_path
from delivery.refused_settings import refused_settings, removal_command
from delivery.signin import SignInError

# Roles take about a minute to reach the site, and up to ten (docs: Troubleshoot Azure RBAC).
PUSH_DEADLINE = 12 * 60.0
# Trigger synchronisation takes up to a minute, a cold start on Flex half of one.
PROOF_DEADLINE = 5 * 60.0
# A host that restarts reports errors for a moment; after this long without a change they are the answer.
HOST_ERROR_PATIENCE = 30.0
PROGRESS_EVERY = 30.0
# Answers to a push that pass by themselves, and why.
_PASSING = {
    403: "this identity's role has not reached the deployment site yet",
    404: "the deployment site is not there yet",
    408: "the deployment site was too slow",
    409: "another deployment is running",
    429: "the deployment site asks for patience",
}
# The same roles, seen by the site's own identity when it writes to its container (Azure/azure-dev #8026).
_PASSING_400 = ("BlobUploadFailedException", "InaccessibleStorageException")
_STATUSES = {0: "pending", 1: "building", 2: "deploying"}
_CANCELLED, _FAILED, _SUCCESS, _CONFLICT, _PARTIAL = -1, 3, 4, 5, 6
AFTERWARDS = (
    "What runs now may be either package, and the state names the one before: "
    f"to go back to it, run `{PUSH_AGAIN_VARIABLE}=1 pulumi up` with its code, or `python -m ops rollback`."
)
"""Ends the message of a deployment that failed after the site had taken the package."""
_RESTORE_SETTINGS = (
    "App settings that were changed by hand are written as they were deployed by `python -m ops drift --stack"
    " STACK --restore-app-settings`."
)
KEY_CHECK_PATH = "/admin/host/status"
WRONG_KEY = {"x-functions-key": "wrong-on-purpose"}
"""What `KEY_CHECK_PATH` is asked with: 401 from a host that reads its keys, 500 from one that cannot."""
KEYS_UNREADABLE = (
    "The Functions host keeps its keys in blobs and cannot read them, so every route that takes a key answers"
    " 500 with no body: blob role or identity. The identity of the app setting AzureWebJobsStorage__clientId"
    " has to be assigned to the site and to have Storage Blob Data Owner on the storage account of"
    " AzureWebJobsStorage__blobServiceUri; `python -m ops drift --stack STACK` says which of these differs."
)
_API_VERSION = "2024-04-01"


class DeploymentError(Exception):
    """The code is not deployed; the message says at which step, and holds the host's own words."""


@dataclass(frozen=True)
class Site:
    """`id` is the ARM id; `host` and `scm_host` are hosts (and ports) of the app and its deployment site."""

    id: str
    host: str
    scm_host: str


@dataclass(frozen=True)
class Clock:
    """Seconds that only grow, and the way to let some pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; status 0 means that there was none, and `text` says why."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def json(self) -> Any:
        """The body as JSON, or None where it is not."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def members(self) -> dict[str, Any]:
        """The body as a JSON object, empty where it is none."""
        body = self.json()
        return cast(dict[str, Any], body) if isinstance(body, dict) else {}

    def retry_after(self) -> float:
        """Seconds, 0 where nothing is asked for. A date is compared with the answer's own clock."""
        retry_after = self.headers.get("Retry-After", "")
        if retry_after.isdecimal():
            return float(retry_after)
        try:
            pause = parsedate_to_datetime(retry_after) - parsedate_to_datetime(self.headers["Date"])
            return max(0.0, pause.total_seconds())
        except (ValueError, KeyError, TypeError):
            return 0.0

    def __str__(self) -> str:
        body = self.text.strip()[:2000]
        if self.status == 0:
            return f"no answer ({body})"
        return f"HTTP {self.status}: {body}" if body else f"HTTP {self.status}"


class _Deadline:
    """What is left of the time for one step."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._end = clock.now() + seconds

    def pause(self, seconds: float, last: str) -> None:
        """Let some time pass, or raise DeploymentError where it would take longer than is left."""
        if self._clock.now() + seconds > self._end:
            raise DeploymentError(f"Deadline of {self._seconds / 60:g} minutes passed. Last: {last}")
        self._clock.sleep(seconds)


def exponential_backoff(longest: float) -> Iterator[float]:
    """Seconds to wait between tries: 1, 2, 4 and so on, up to the longest."""
    seconds = 1.0
    while True:
        yield min(seconds, longest)
        seconds *= 2


class Publisher:
    """What is done to one site. `token` gives a bearer token or raises SignInError, `say` shows a line of
    progress."""

    def __init__(
        self,
        site: Site,
        arm_endpoint: str,
        *,
        token: Callable[[], str],
        session: Session,
        say: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._site, self._arm_endpoint, self._token = site, arm_endpoint, token
        self._session, self._show_progress, self._clock = session, say, clock
        self._last_line, self._last_line_at = "", float("-inf")
        self._health_url = f"https://{site.host}{url_path('health')}"

    def publish(self, package: BinaryIO, content_hash: str) -> None:
        """Push the package and return when the site answers its hash, lists functions and reports no error.

        Raises DeploymentError, and SignInError where nothing was pushed.
        """
        deadline = _Deadline(self._clock, PUSH_DEADLINE)
        self._refuse_settings(deadline)
        deployment = self._push(package, deadline)
        try:
            while self._finished(deployment, deadline) == _CONFLICT:
                deadline.pause(5.0, f"deployment {deployment} met another one")
                deployment = self._push(package, deadline)
            self._prove(content_hash)
        except (DeploymentError, SignInError) as error:
            raise DeploymentError(f"{error}\n{AFTERWARDS}") from error

    def running(self) -> str | None:
        """The hash that the site answers: empty if it answers none, None if ARM has no such site.

        Raises DeploymentError where ARM does not tell.
        """
        answer = self._arm_get("")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise DeploymentError(f"ARM does not tell whether {self._site.id} exists: {answer}")
        health = self._health()
        for pause in (1.0, 5.0):
            if health.status in (200, 404):
                break
            self._clock.sleep(pause)
            health = self._health()
        return self._hash_of(health)

    # Steps

    def _refuse_settings(self, deadline: _Deadline) -> None:
        """Raise DeploymentError where the site has an app setting that takes the place of its identity.

        Somebody may have set it in the portal, which no refresh shows (pulumi-azure-native #4263).
        """
        pauses = exponential_backoff(longest=30.0)
        while True:
            answer = self._arm("POST", "/config/appsettings/list")
            if answer.status == 200:
                break
            reason = f"the app settings of {self._site.id} cannot be listed: {answer}"
            if _passing(answer) is None:
                raise DeploymentError(f"{reason}. It takes Microsoft.Web/sites/config/list/action.")
            self._say(f"Waiting: {_short(answer)}; the app settings cannot be listed yet.")
            deadline.pause(max(next(pauses), answer.retry_after()), reason)
        names: object = answer.members().get("properties")
        if refused := refused_settings(cast(dict[str, Any], names) if isinstance(names, dict) else ()):
            effects = "; ".join(f"{name} {effect}" for name, effect in refused.items())
            raise DeploymentError(
                f"No site may have these app settings: {effects}. Nothing was pushed. Remove them, and run"
                f" `pulumi up` again: {removal_command(self._site.id, refused)}"
            )

    def _push(self, package: BinaryIO, deadline: _Deadline) -> str:
        url = f"https://{self._site.scm_host}/api/publish"
        pauses = exponential_backoff(longest=30.0)
        while True:
            package.seek(0)
            self._say(f"Pushing the package to {self._site.scm_host}.")
            answer = self._request(
                "POST",
                url,
                params={"RemoteBuild": "false", "Deployer": "pulumi"},
                headers={"Content-Type": "application/zip"},
                body=package,
            )
            if answer.status in (200, 202):
                deployment = answer.json()
                if not isinstance(deployment, str) or not deployment:
                    raise DeploymentError(f"{url} took the package but named no deployment: {answer}")
                return deployment
            reason = _passing(answer)
            if reason is None:
                raise DeploymentError(f"{url} refused the package: {answer}")
            self._say(f"Waiting: {reason} ({_short(answer)}).")
            deadline.pause(max(next(pauses), answer.retry_after()), f"{reason}; {url}: {answer}")

    def _finished(self, deployment: str, deadline: _Deadline) -> int:
        """Poll until the deployment ends; its last status, or success where that cannot be known."""
        path = f"/api/deployments/{deployment}"
        seen = False
        while True:
            answer = self._request("GET", f"https://{self._site.scm_host}{path}")
            status = answer.members().get("status")
            if answer.status in (200, 202) and isinstance(status, int):
                seen = True
                if status in (_CANCELLED, _FAILED):
                    end = "failed" if status == _FAILED else "was cancelled"
                    raise DeploymentError(f"Deployment {deployment} {end}. {self._reason(path, answer)}")
                if status == _PARTIAL:
                    self._say(f"Deployment {deployment} succeeded in part: the site decides.")
                text = str(answer.members().get("status_text") or "")
                if status in (_SUCCESS, _CONFLICT, _PARTIAL):
                    if text not in self._last_line:
                        self._say(f"Deployment {deployment}: {text}")
                    return status
                state = _STATUSES.get(status, f"in status {status}")
                self._say(f"Deployment {deployment} is {state}. {text}".rstrip())
            elif answer.status == 404 and seen:
                # The site recycles the worker that did the job, and with it what it knew.
                self._say(f"Deployment {deployment} is no longer known: the site decides.")
                return _SUCCESS
            elif answer.status in (400, 401):
                raise DeploymentError(f"Deployment {deployment} cannot be followed: {answer}")
            deadline.pause(max(1.0, answer.retry_after()), f"deployment {deployment}: {answer}")

    def _prove(self, content_hash: str) -> None:
        """Wait until the site answers the hash, its functions are listed, its host reports no error and reads
        its keys, and the app reads its tables.

        A worker indexes all functions of the app or none, so one that answers the hash has them all. The
        list says that the triggers were synchronised; an error, that the host refuses a function's bindings.
        Keys and tables are waited for as long as roles take, and all else begins anew after them.
        """
        deadline, roles_deadline = (
            _Deadline(self._clock, seconds) for seconds in (PROOF_DEADLINE, PUSH_DEADLINE)
        )
        errors, since = "", self._clock.now()
        for pause in exponential_backoff(longest=5.0):
            health = self._health()
            listing = self._arm_get("/functions")
            listed = bool(listing.members().get("value"))
            problems = _own_problems(health, content_hash)
            runs = self._hash_of(health) == content_hash
            if runs and (cause := self._unreadable_keys() or self._unreadable_tables()):
                self._say(f"Waiting for a role. {cause}")
                roles_deadline.pause(pause, f"the package was deployed and answers. {cause}")
                deadline, errors = _Deadline(self._clock, PROOF_DEADLINE), ""
                continue
            reported = "\n".join([*problems, *self._host_errors()])
            if runs and listed and not reported:
                self._say(f"https://{self._site.host} runs package {content_hash[:12]}.")
                return
            if reported != errors:
                errors, since = reported, self._clock.now()
            elif errors and self._clock.now() - since >= HOST_ERROR_PATIENCE:
                remedy = f"\n{_RESTORE_SETTINGS}" if problems else ""
                raise DeploymentError(
                    f"The package was deployed, but the Functions host cannot run it:\n{errors}{remedy}"
                )
            state = f"{self._health_url}: {_short(health)}"
            # With problems of its own the code serves no other function.
            if not problems:
                if listing.status >= 400:
                    state += f"; its functions cannot be listed: {_short(listing)}"
                elif not listed:
                    state += "; its functions are not listed yet"
            self._say(f"Waiting for the new code. {state}.")
            deadline.pause(
                pause,
                f"the package was deployed, but the new code does not answer. {state}. Wanted: package"
                f" {content_hash}. The Functions host says: {errors or 'nothing'}",
            )

    # Questions

    def _health(self) -> Answer:
        return self._request("GET", self._health_url, signed=False)

    def _unreadable_keys(self) -> str:
        """Why no key opens a route; empty where the host can read its keys.

        The key sent is wrong, so a host that reads its keys refuses it by 401 at any `httpAuthLevel`; without
        a key it would not read them (AuthenticationLevelHandler.cs of the host).
        """
        url = f"https://{self._site.host}{KEY_CHECK_PATH}"
        answer = self._request("GET", url, headers=WRONG_KEY, signed=False)
        return f"{KEYS_UNREADABLE} {KEY_CHECK_PATH}: {answer}" if answer.status == 500 else ""

    def _unreadable_tables(self) -> str:
        """Why the app does not list its assistants, in its own words; empty where it does or nobody can ask.

        The host key is asked for each time and kept nowhere.
        """
        keys = self._arm("POST", "/host/default/listkeys")
        function_keys: object = keys.members().get("functionKeys")
        if keys.status != 200 or not isinstance(function_keys, dict):
            self._say(f"The app's tables are not looked at: its host keys cannot be listed: {_short(keys)}.")
            return ""
        key = str(cast(dict[str, Any], function_keys).get("default", ""))
        path = url_path("assistants")
        answer = self._request(
            "GET",
            f"https://{self._site.host}{path}",
            params={"limit": "1"},
            headers={"x-functions-key": key},
            signed=False,
        )
        detail = answer.members().get("detail")
        if answer.status < 500 or not detail:
            return ""
        return f"GET {path} answers {answer.status}, table role or identity: {detail}"

    def _host_errors(self) -> list[str]:
        """What the Functions host itself reports as wrong, one line each."""
        errors: list[Any] = self._arm_get("/hostruntime/admin/host/status").members().get("errors") or []
        return [str(error) for error in errors]

    def _reason(self, path: str, answer: Answer) -> str:
        """The words of a failed deployment: its own status text and its log."""
        described = answer.members()
        log = self._request("GET", f"https://{self._site.scm_host}{path}/log").json()
        entries = cast(list[dict[str, Any]], log) if isinstance(log, list) else []
        words = [described.get("status_text"), described.get("message")]
        words += [entry.get("message") for entry in entries]
        return "\n".join(dict.fromkeys(str(word) for word in words if word)) or "It gave no reason."

    @staticmethod
    def _hash_of(health: Answer) -> str:
        return str(health.members().get("package", "")) if health.status == 200 else ""

    # HTTP

    def _arm_get(self, path: str) -> Answer:
        return self._arm("GET", path)

    def _arm(self, method: str, path: str) -> Answer:
        url = f"{self._arm_endpoint}{self._site.id}{path}"
        return self._request(method, url, params={"api-version": _API_VERSION})

    def _request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: BinaryIO | None = None,
        signed: bool = True,
    ) -> Answer:
        authorization = {"Authorization": f"Bearer {self._token()}"} if signed else {}
        try:
            answer = self._session.request(
                method,
                url,
                params=params,
                headers={**(headers or {}), **authorization},
                data=body,
                timeout=(10, 300 if body else 60),
                allow_redirects=False,
            )
        except SSLError as error:
            raise DeploymentError(
                f"{url}: {through_proxy(url)}the certificate is not trusted ({error}). "
                "REQUESTS_CA_BUNDLE can name an authority."
            ) from error
        except RequestException as error:
            return Answer(0, f"{through_proxy(url)}{error}")
        return Answer(answer.status_code, answer.text, answer.headers)

    def _say(self, line: str) -> None:
        """Show a line when it is news, and every half minute that it still holds."""
        now = self._clock.now()
        if line != self._last_line or now - self._last_line_at >= PROGRESS_EVERY:
            self._last_line, self._last_line_at = line, now
            self._show_progress(line)


def through_proxy(url: str) -> str:
    """What a message about a failed call begins with: the proxy of the environment that it went through.

    Empty where there was none. Credentials in the proxy's URL are left out.
    """
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return ""
    host = proxy.rpartition("://")[2].rpartition("@")[2]
    return f"through the proxy {host} (HTTPS_PROXY or ALL_PROXY names it): "


def _passing(answer: Answer) -> str | None:
    """Why a push answered like this is worth another try; None where it is not."""
    if answer.status == 0:
        return "the deployment site cannot be reached yet"
    if answer.status == 400 and any(name in answer.text for name in _PASSING_400):
        return "the app's identity cannot write to its deployment container yet"
    if answer.status >= 500:
        return "the deployment site has an error"
    return _PASSING.get(answer.status)


def _short(answer: Answer) -> str:
    line = " ".join(str(answer).split())
    return line if len(line) <= 160 else f"{line[:160]}…"


def _own_problems(health: Answer, content_hash: str) -> list[str]:
    """What the new code itself reports as wrong, a sentence each (its `GET /api/health`)."""
    body = health.members()
    problems: object = body.get("problems")
    if health.status != 500 or body.get("package") != content_hash or not isinstance(problems, list):
        return []
    return [str(problem) for problem in cast(list[Any], problems)]
