"""One Deploy on a Flex Consumption site: push a package, wait for the deployment, verify that it runs.

The protocol is that of `azd` and Core Tools (Azure/azure-dev funcapp_host_client.go,
Azure/azure-functions-core-tools PublishFunctionAppAction.cs): a zip posted to
`/api/publish` of the deployment site, the response is a deployment id, whose status is polled. The
status for success means that the package was stored, not that the code runs, so the site is checked too.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, BinaryIO, TypeVar, cast

from requests import RequestException, Session
from requests.exceptions import SSLError
from requests.utils import get_environ_proxies, select_proxy

from delivery.package import PACKAGE_VARIABLE, PUSH_AGAIN_VARIABLE, url_path
from delivery.refused_settings import refused_settings, removal_command
from delivery.retry import Clock, exponential_backoff, retry_until
from delivery.signin import SignInError
from tools.pulumi.typed import as_typed

# New role assignments take effect after about a minute, and up to ten (docs: Troubleshoot Azure RBAC).
PUSH_DEADLINE = 12 * 60.0
# Trigger synchronization takes up to a minute, a cold start on Flex Consumption half a minute.
PROOF_DEADLINE = 5 * 60.0
# ARM may not know a site in every region at once; one that is unknown for longer was deleted.
SITE_DEADLINE = 2 * 60.0
# A host that restarts reports errors for a moment; errors that stay the same for so long are final.
HOST_ERROR_TIMEOUT = 30.0
PROGRESS_EVERY = 30.0
# Responses to a push that are retried, and their causes.
_TRANSIENT = {
    403: "this identity's role assignment has not taken effect on the deployment site yet",
    404: "the deployment site does not exist yet",
    408: "the deployment site timed out",
    409: "another deployment is running",
    429: "the deployment site is rate limiting",
}
# The role assignments of the site's own identity, which writes to its container (Azure/azure-dev #8026).
_TRANSIENT_400 = ("BlobUploadFailedException", "InaccessibleStorageException")
_STATUSES = {0: "pending", 1: "building", 2: "deploying"}
_CANCELLED, _FAILED, _SUCCESS, _CONFLICT, _PARTIAL = -1, 3, 4, 5, 6
ACCEPTED = "The site had accepted the package, and the state has the previous one."
"""In the message about a deployment that failed after the site accepted the package."""
MISSING = "What the code needs may be missing in Azure, as after a deletion outside Pulumi."
"""In the message about a deployment that fails with every package."""
KEY_CHECK_PATH = "/admin/host/status"
WRONG_KEY = {"x-functions-key": "wrong-on-purpose"}
"""Headers for `KEY_CHECK_PATH`: a host that can read its keys answers 401, one that cannot answers 500."""
KEYS_UNREADABLE = (
    "The Functions host keeps its keys in blobs and cannot read them, so every route that requires a key"
    " answers 500 with an empty body. Check the blob role or identity: the identity of the app setting"
    " AzureWebJobsStorage__clientId must be assigned to the site and must have the role Storage Blob Data"
    " Owner on the storage account of AzureWebJobsStorage__blobServiceUri."
)
_API_VERSION = "2024-04-01"

T = TypeVar("T")


class DeploymentError(Exception):
    """The code is not deployed; the message names the failed step and quotes the host's message."""


@dataclass(frozen=True)
class Site:
    """`id`: ARM id; `host` and `scm_host`: host names (with ports) of the app and of its deployment site."""

    id: str
    host: str
    scm_host: str


@dataclass(frozen=True)
class Answer:
    """An HTTP response; status 0 means that there was none, and `text` gives the reason."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def json(self) -> Any:
        """The body as JSON, or None if it is not JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def members(self) -> dict[str, Any]:
        """The body as a JSON object, or an empty one if it is not an object."""
        body = self.json()
        return cast(dict[str, Any], body) if isinstance(body, dict) else {}

    def retry_after(self) -> float:
        """Seconds of the header Retry-After, which Azure sends as a number; else 0."""
        seconds = self.headers.get("Retry-After", "")
        return float(seconds) if seconds.isdecimal() else 0.0

    def __str__(self) -> str:
        body = self.text.strip()[:2000]
        if self.status == 0:
            return f"no response ({body})"
        return f"HTTP {self.status}: {body}" if body else f"HTTP {self.status}"


@dataclass(frozen=True)
class _Deadline:
    """The time limit of one step: `seconds` from `start`, a time of the clock."""

    start: float
    seconds: float


class _NotYetError(DeploymentError):
    """A step that may succeed later, until the deadline: then this error is the one that the user gets."""

    def __init__(
        self, reason: str, deadline: _Deadline, retry_after: float = 0.0, *, missing: bool = False
    ) -> None:
        """`missing`: every package fails like this while something is missing in Azure."""
        super().__init__(f"Deadline of {deadline.seconds / 60:g} minutes exceeded. Last: {reason}")
        self.deadline, self.retry_after, self.missing = deadline, retry_after, missing


@dataclass
class Publisher:
    """Deploys packages to one site.

    `token` returns a bearer token or raises SignInError; `print_line` prints a line of progress.
    """

    site: Site
    arm_endpoint: str
    token: Callable[[], str]
    session: Session
    print_line: Callable[[str], None]
    clock: Clock = field(default_factory=Clock)
    _accepted: bool = field(default=False, init=False)
    _last_line: str = field(default="", init=False)
    _last_line_at: float = field(default=float("-inf"), init=False)

    def publish(self, package: BinaryIO, content_hash: str) -> None:
        """Push the package, and return when the site reports its hash, lists functions and reports no error.

        Raises DeploymentError, or SignInError if nothing was pushed.
        """
        self._accepted = False
        deadline = self._deadline(PUSH_DEADLINE)
        try:
            self._refuse_settings(deadline)
            self._deploy(package, deadline)
            self._verify(content_hash)
        except (DeploymentError, SignInError) as error:
            missing = isinstance(error, _NotYetError) and error.missing
            if not self._accepted and not missing:
                raise
            lines = [str(error)]
            if self._accepted:
                lines.append(f"{ACCEPTED} {self._running_now(content_hash)}")
            if missing:
                drift, up = as_typed("python -m ops drift --stack STACK"), as_typed("pulumi up --refresh")
                listed = "" if drift == up else f"`{drift}` lists it, and "
                lines.append(f"{MISSING} {listed}`{up}` creates it again.")
            elif PACKAGE_VARIABLE not in os.environ:  # `ops` sets it, and deploys the previous one itself
                back = as_typed(f"{PUSH_AGAIN_VARIABLE}=1 pulumi up")
                lines.append(f"To go back to the previous package, run `{back}` with its code.")
            raise DeploymentError("\n".join(lines)) from error

    def running(self) -> str | None:
        """The package hash that the site reports: empty if it reports none, None if ARM has no such site.

        Raises DeploymentError if ARM's response does not show whether the site exists.
        """
        response = self._arm("GET", "")
        if response.status == 404:
            return None
        if response.status != 200:
            raise DeploymentError(f"ARM does not report whether {self.site.id} exists: {response}")
        deadline = self._deadline(PROOF_DEADLINE)

        def check() -> Answer:
            health = self._health()
            if health.status not in (200, 404):
                raise _NotYetError(str(health), deadline)
            return health

        try:
            return _hash_of(self._retry(check, (1.0, 5.0)))
        except _NotYetError:
            return ""

    def _running_now(self, pushed: str) -> str:
        try:
            health = self._health()
        except DeploymentError as error:
            return str(error)
        package = _hash_of(health)
        which = "the new one" if package == pushed else "not the new one"
        running = f"package {package}, {which}" if package else _short(health)
        return f"{self._health_url()} now answers {running}."

    # Steps

    def _refuse_settings(self, deadline: _Deadline) -> None:
        """Raise DeploymentError if the site has an app setting that replaces its identity.

        It may have been set in the portal, which a refresh does not detect (pulumi-azure-native #4263).
        """

        def list_settings() -> Answer:
            response = self._arm("POST", "/config/appsettings/list")
            if response.status == 200:
                return response
            problem = "does not exist" if response.status == 404 else "does not list its app settings"
            reason = f"the function app {self.site.id} {problem}: {response}"
            if _transient_cause(response) is None:
                raise DeploymentError(f"{reason}. It requires Microsoft.Web/sites/config/list/action.")
            self._say(f"Waiting: {_short(response)}; the app settings cannot be listed yet.")
            if response.status == 404:
                raise _NotYetError(reason, site_deadline, response.retry_after(), missing=True)
            raise _NotYetError(reason, deadline, response.retry_after())

        site_deadline = self._deadline(SITE_DEADLINE)
        response = self._retry(list_settings, exponential_backoff(longest=30.0))
        names: object = response.members().get("properties")
        if refused := refused_settings(cast(dict[str, Any], names) if isinstance(names, dict) else ()):
            effects = "; ".join(f"{name} {effect}" for name, effect in refused.items())
            raise DeploymentError(
                f"No site may have these app settings: {effects}. Nothing was pushed. Remove them, and deploy"
                f" again: {removal_command(self.site.id, refused)}"
            )

    def _deploy(self, package: BinaryIO, deadline: _Deadline) -> None:
        """Push the package and wait until its deployment ends; again after a conflict with another one."""
        url = f"https://{self.site.scm_host}/api/publish"

        def push() -> None:
            package.seek(0)
            self._say(f"Pushing the package to {self.site.scm_host}.")
            response = self._request(
                "POST",
                url,
                params={"RemoteBuild": "false", "Deployer": "pulumi"},
                headers={"Content-Type": "application/zip"},
                body=package,
            )
            if response.status not in (200, 202):
                reason = _transient_cause(response)
                if reason is None:
                    raise DeploymentError(f"{url} refused the package: {response}")
                self._say(f"Waiting: {reason} ({_short(response)}).")
                missing = response.status in (400, 404)
                message = f"{reason}; {url}: {response}"
                raise _NotYetError(message, deadline, response.retry_after(), missing=missing)
            deployment = response.json()
            if not isinstance(deployment, str) or not deployment:
                raise DeploymentError(f"{url} accepted the package but sent no deployment id: {response}")
            self._accepted = True
            if self._wait_for_end(deployment, deadline) == _CONFLICT:
                raise _NotYetError(f"deployment {deployment} conflicted with another one", deadline, 5.0)

        self._retry(push, exponential_backoff(longest=30.0))

    def _wait_for_end(self, deployment: str, deadline: _Deadline) -> int:
        """Poll until the deployment ends; its last status, or success if the site no longer knows it."""
        path = f"/api/deployments/{deployment}"
        seen = False

        def poll() -> int:
            nonlocal seen
            response = self._request("GET", f"https://{self.site.scm_host}{path}")
            status = response.members().get("status")
            if response.status in (200, 202) and isinstance(status, int):
                seen = True
                if status in (_CANCELLED, _FAILED):
                    end = "failed" if status == _FAILED else "was cancelled"
                    raise DeploymentError(f"Deployment {deployment} {end}. {self._reason(path, response)}")
                if status == _PARTIAL:
                    self._say(f"Deployment {deployment} succeeded in part: checking the site.")
                text = str(response.members().get("status_text") or "")
                if status in (_SUCCESS, _CONFLICT, _PARTIAL):
                    if text not in self._last_line:
                        self._say(f"Deployment {deployment}: {text}")
                    return status
                state = _STATUSES.get(status, f"in status {status}")
                self._say(f"Deployment {deployment} is {state}. {text}".rstrip())
            elif response.status == 404 and seen:
                # The site recycles the worker that ran the deployment, and the worker's record of it is lost.
                self._say(f"Deployment {deployment} is no longer known: checking the site.")
                return _SUCCESS
            elif response.status in (400, 401):
                raise DeploymentError(f"Deployment {deployment} cannot be tracked: {response}")
            raise _NotYetError(f"deployment {deployment}: {response}", deadline, response.retry_after())

        return self._retry(poll, repeat(1.0))

    def _verify(self, content_hash: str) -> None:
        """Wait until the site reports the hash, its functions are listed, its host reports no error and can
        read its keys, and the app can read its tables.

        A worker indexes all functions of the app or none, so one that reports the hash has all of them. The
        list shows that the triggers were synchronized; an error, that the host rejects a function's bindings.
        For keys and tables the time limit is that of role assignments; after them the other one starts again.
        """
        deadline, roles_deadline = self._deadline(PROOF_DEADLINE), self._deadline(PUSH_DEADLINE)
        errors, since = "", self.clock.now()

        def check() -> None:
            nonlocal deadline, errors, since
            health = self._health()
            listing = self._arm("GET", "/functions")
            listed = bool(listing.members().get("value"))
            problems = _own_problems(health, content_hash)
            runs = _hash_of(health) == content_hash
            if runs and (cause := self._unreadable_keys() or self._unreadable_tables()):
                self._say(f"Waiting for a role assignment. {cause}")
                deadline, errors = self._deadline(PROOF_DEADLINE), ""
                raise _NotYetError(
                    f"the package was deployed and responds. {cause}", roles_deadline, missing=True
                )
            reported = "\n".join([*problems, *self._host_errors()])
            if runs and listed and not reported:
                self._say(f"https://{self.site.host} runs package {content_hash[:12]}.")
                return
            if reported != errors:
                errors, since = reported, self.clock.now()
            elif errors and self.clock.now() - since >= HOST_ERROR_TIMEOUT:
                restore = as_typed("python -m ops drift --stack STACK --restore-app-settings")
                remedy = (
                    f"\nIf app settings were changed by hand, restore them: `{restore}`." if problems else ""
                )
                raise DeploymentError(
                    f"The package was deployed, but the Functions host cannot run it:\n{errors}{remedy}"
                )
            state = f"{self._health_url()}: {_short(health)}"
            # Code that reports problems serves no other function.
            if not problems:
                if listing.status >= 400:
                    state += f"; its functions cannot be listed: {_short(listing)}"
                elif not listed:
                    state += "; its functions are not listed yet"
            self._say(f"Waiting for the new code. {state}.")
            raise _NotYetError(
                f"the package was deployed, but the new code does not respond. {state}. Expected: package"
                f" {content_hash}. The Functions host reports: {errors or 'no error'}",
                deadline,
            )

        self._retry(check, exponential_backoff(longest=5.0))

    def _deadline(self, seconds: float) -> _Deadline:
        return _Deadline(self.clock.now(), seconds)

    def _retry(self, attempt: Callable[[], T], pauses: Iterable[float]) -> T:
        def wait(error: _NotYetError, pause: float) -> float | None:
            seconds = max(pause, error.retry_after)
            end = error.deadline.start + error.deadline.seconds
            return seconds if self.clock.now() + seconds <= end else None

        return retry_until(attempt, _NotYetError, pauses, wait=wait, sleep=self.clock.sleep)

    # Checks

    def _health_url(self) -> str:
        return f"https://{self.site.host}{url_path('health')}"

    def _health(self) -> Answer:
        return self._request("GET", self._health_url(), signed=False)

    def _unreadable_keys(self) -> str:
        """Why routes reject every key; empty if the host can read its keys.

        The request has a wrong key, so a host that can read its keys answers 401 at any `httpAuthLevel`;
        without a key it does not read them (AuthenticationLevelHandler.cs of the host).
        """
        url = f"https://{self.site.host}{KEY_CHECK_PATH}"
        response = self._request("GET", url, headers=WRONG_KEY, signed=False)
        return f"{KEYS_UNREADABLE} {KEY_CHECK_PATH}: {response}" if response.status == 500 else ""

    def _unreadable_tables(self) -> str:
        """The app's message why it cannot list its assistants; empty if it can, or if that cannot be checked.

        The host key is requested each time and not stored.
        """
        keys = self._arm("POST", "/host/default/listkeys")
        function_keys: object = keys.members().get("functionKeys")
        if keys.status != 200 or not isinstance(function_keys, dict):
            self._say(f"The app's tables are not checked: its host keys cannot be listed: {_short(keys)}.")
            return ""
        key = str(cast(dict[str, Any], function_keys).get("default", ""))
        path = url_path("assistants")
        response = self._request(
            "GET",
            f"https://{self.site.host}{path}",
            params={"limit": "1"},
            headers={"x-functions-key": key},
            signed=False,
        )
        detail = response.members().get("detail")
        if response.status < 500 or not detail:
            return ""
        return f"GET {path} answers {response.status}, table role or identity: {detail}"

    def _host_errors(self) -> list[str]:
        """The errors that the Functions host reports, one line each."""
        errors: list[Any] = self._arm("GET", "/hostruntime/admin/host/status").members().get("errors") or []
        return [str(error) for error in errors]

    def _reason(self, path: str, response: Answer) -> str:
        """The messages of a failed deployment: its status text and its log."""
        described = response.members()
        log = self._request("GET", f"https://{self.site.scm_host}{path}/log").json()
        entries = cast(list[dict[str, Any]], log) if isinstance(log, list) else []
        words = [described.get("status_text"), described.get("message")]
        words += [entry.get("message") for entry in entries]
        return "\n".join(dict.fromkeys(str(word) for word in words if word)) or "It reported no reason."

    # HTTP

    def _arm(self, method: str, path: str) -> Answer:
        url = f"{self.arm_endpoint}{self.site.id}{path}"
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
        authorization = {"Authorization": f"Bearer {self.token()}"} if signed else {}
        try:
            response = self.session.request(
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
                "Set REQUESTS_CA_BUNDLE to a file with the certificate of its authority."
            ) from error
        except RequestException as error:
            return Answer(0, f"{through_proxy(url)}{error}")
        return Answer(response.status_code, response.text, response.headers)

    def _say(self, line: str) -> None:
        """Print a line if it differs from the last one, else only every half minute."""
        now = self.clock.now()
        if line != self._last_line or now - self._last_line_at >= PROGRESS_EVERY:
            self._last_line, self._last_line_at = line, now
            self.print_line(line)


def through_proxy(url: str) -> str:
    """The start of a message about a failed call: the proxy from the environment, without its credentials.

    Empty if there is no proxy.
    """
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return ""
    host = proxy.rpartition("://")[2].rpartition("@")[2]
    return f"through the proxy {host} (HTTPS_PROXY or ALL_PROXY): "


def _transient_cause(response: Answer) -> str | None:
    """The cause of a response that is worth a retry; None if it is not."""
    if response.status == 0:
        return "the deployment site cannot be reached yet"
    if response.status == 400 and any(name in response.text for name in _TRANSIENT_400):
        return "the app's identity cannot write to its deployment container yet"
    if response.status >= 500:
        return "the deployment site has an error"
    return _TRANSIENT.get(response.status)


def _short(response: Answer) -> str:
    line = " ".join(str(response).split())
    return line if len(line) <= 160 else f"{line[:160]}…"


def _hash_of(health: Answer) -> str:
    return str(health.members().get("package", "")) if health.status == 200 else ""


def _own_problems(health: Answer, content_hash: str) -> list[str]:
    """The problems that the new code reports (its `GET /api/health`), a sentence each."""
    body = health.members()
    problems: object = body.get("problems")
    if health.status != 500 or body.get("package") != content_hash or not isinstance(problems, list):
        return []
    return [str(problem) for problem in cast(list[Any], problems)]
