"""A server on the loopback that plays GitHub's REST API for one repository.

It knows the routes that ops/github/github.py calls, after GitHub's published description
(github/rest-api-description): numbers and ids, pages with a Link header, 401, 403, 404, 422 and the
secondary rate limit.
"""

import json
import re
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

PAYLOADS = Path(__file__).parent / "payloads"
"""Events as GitHub Actions writes them, after GitHub's published schemas (octokit/webhooks)."""

TOKEN = "a-token-of-the-stand-in"
REPOSITORY = "octo-org/assistants"
BOT = "github-actions[bot]"
BODY_LIMIT = 65_536

Json = dict[str, Any]


class RefusedError(Exception):
    def __init__(self, status: int, message: str, *errors: Json, **headers: str) -> None:
        super().__init__(message)
        self.status, self.errors = status, list(errors)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def body(self) -> Json:
        said = {"message": str(self), "documentation_url": "https://docs.github.com/rest"}
        return {**said, "errors": self.errors} if self.errors else said


@dataclass
class Outage:
    """The next `times` requests of a method get this answer; 0 hangs up."""

    method: str
    times: int
    status: int = 403
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    message: str = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


@dataclass
class FakeGitHub:
    """`received` has one line per request, as `POST /repos/…`. Issues hold the pull requests too.

    `readable` False answers 404 to everything, as GitHub does for a token that may not see the repository.
    `may_write` False refuses writes, as GitHub does for a job without the permission.
    """

    url: str = ""
    login: str = BOT
    readable: bool = True
    may_write: bool = True
    outages: list[Outage] = field(default_factory=list[Outage])
    received: list[str] = field(default_factory=list[str])
    pulls: dict[int, Json] = field(default_factory=dict[int, Json])
    issues: dict[int, Json] = field(default_factory=dict[int, Json])
    comments: dict[int, Json] = field(default_factory=dict[int, Json])
    runs: dict[tuple[int, int], Json] = field(default_factory=dict[tuple[int, int], Json])
    before_write: Callable[[str], None] | None = None
    """Called with `METHOD path` before a write is carried out: another job that is faster."""

    def __post_init__(self) -> None:
        self._ids = count(1001)
        self._lock = threading.Lock()

    def environment(self) -> dict[str, str]:
        return {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_API_URL": self.url}

    def writes(self) -> list[str]:
        return [line for line in self.received if not line.startswith("GET ") and "/graphql" not in line]

    def add_pull_request(
        self,
        number: int,
        *,
        state: str = "open",
        merged: bool = False,
        sha: str = "a" * 40,
        head_repository: str | None = REPOSITORY,
        branch: str = "topic",
        base: str = "main",
        labels: tuple[str, ...] = (),
        author: str = "octocat",
    ) -> None:
        head_owner = (head_repository or "someone/gone").partition("/")[0]
        self.pulls[number] = {
            "url": f"{self.url}/repos/{REPOSITORY}/pulls/{number}",
            "id": next(self._ids),
            "number": number,
            "state": state,
            "title": f"Change {number}",
            "user": {"login": author},
            "merged_at": "2026-11-24T10:00:00Z" if merged else None,
            "labels": [{"id": next(self._ids), "name": label} for label in labels],
            "head": {
                "label": f"{head_owner}:{branch}",
                "ref": branch,
                "sha": sha,
                "user": {"login": head_owner},
                "repo": head_repository and {"id": 2, "full_name": head_repository},
            },
            "base": {
                "label": f"octo-org:{base}",
                "ref": base,
                "sha": "b" * 40,
                "repo": {"id": 1, "full_name": REPOSITORY},
            },
        }
        issue = self._issue(number, f"Change {number}", "", (), "octocat")
        self.issues[number] = {**issue, "state": state, "pull_request": {"url": self.pulls[number]["url"]}}

    def add_issue(self, number: int, title: str, body: str, *, login: str = BOT, state: str = "open") -> None:
        self.issues[number] = {**self._issue(number, title, body, (), login), "state": state}

    def add_comment(self, number: int, body: str, *, login: str = BOT) -> int:
        one = next(self._ids)
        self.comments[one] = {
            "id": one,
            "url": f"{self.url}/repos/{REPOSITORY}/issues/comments/{one}",
            "issue_url": f"{self.url}/repos/{REPOSITORY}/issues/{number}",
            "body": body,
            "user": _user(login),
        }
        return one

    def add_run(self, run_id: int, attempt: int, status: str) -> None:
        self.runs[run_id, attempt] = {
            "id": run_id,
            "run_attempt": attempt,
            "status": status,
            "url": f"{self.url}/repos/{REPOSITORY}/actions/runs/{run_id}",
        }

    def bodies(self, number: int) -> list[str]:
        """Texts of all comments on an issue or a pull request, oldest first."""
        return [one["body"] for one in self._comments_of(number)]

    def _comments_of(self, number: int) -> list[Json]:
        return [one for one in self.comments.values() if one["issue_url"].endswith(f"/issues/{number}")]

    def _issue(self, number: int, title: str, body: str, labels: tuple[str, ...], login: str) -> Json:
        return {
            "url": f"{self.url}/repos/{REPOSITORY}/issues/{number}",
            "id": next(self._ids),
            "number": number,
            "title": title,
            "body": body,
            "state": "open",
            "labels": [{"id": next(self._ids), "name": label} for label in labels],
            "user": _user(login),
        }

    def answer(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Json
    ) -> tuple[int, Any]:
        """Status and content; a list is cut into pages by the caller. Raises RefusedError."""
        if method != "GET" and self.before_write is not None:
            self.before_write(f"{method} {path.removeprefix(f'/repos/{REPOSITORY}')}")
        with self._lock:
            self.received.append(f"{method} {path}")
            for outage in self.outages:
                if outage.method == method and outage.times > 0:
                    outage.times -= 1
                    raise RefusedError(outage.status, outage.message, **dict(outage.headers))
            if headers.get("Authorization") not in {f"token {TOKEN}", f"Bearer {TOKEN}"}:
                raise RefusedError(401, "Bad credentials")
            if (method, path) == ("POST", "/graphql"):
                return 200, self._graphql(body)
            if not self.readable or not path.startswith(f"/repos/{REPOSITORY}"):
                raise RefusedError(404, "Not Found")
            route = path.removeprefix(f"/repos/{REPOSITORY}") or "/"
            if method != "GET" and not self.may_write:
                raise RefusedError(403, "Resource not accessible by integration")
            for pattern, handler in _ROUTES.items():
                if match := re.fullmatch(pattern, f"{method} {route}"):
                    return handler(self, tuple(map(int, match.groups())), query, body)
            raise RefusedError(404, "Not Found")

    def _graphql(self, body: Json) -> Json:
        if body.get("query") != "query { viewer { login } }":
            raise RefusedError(400, "the stand-in knows one query only")
        return {"data": {"viewer": {"login": self.login}}}

    def repository(self, *_: object) -> tuple[int, Json]:
        url = f"{self.url}/repos/{REPOSITORY}"
        return 200, {"id": 1, "full_name": REPOSITORY, "default_branch": "main", "url": url}

    def pull(self, ids: tuple[int, ...], *_: object) -> tuple[int, Json]:
        return 200, _of(self.pulls, ids[0])

    def list_pulls(self, _: object, query: Mapping[str, str], *__: object) -> tuple[int, list[Json]]:
        state, head = query.get("state", "open"), query.get("head")
        return 200, [
            one
            for one in reversed(self.pulls.values())
            if state in {"all", one["state"]} and head in {None, one["head"]["label"]}
        ]

    def list_issues(self, _: object, query: Mapping[str, str], *__: object) -> tuple[int, list[Json]]:
        state = query.get("state", "open")
        found = [one for one in self.issues.values() if state in {"all", one["state"]}]
        return 200, sorted(found, key=_number, reverse=query.get("direction", "desc") == "desc")

    def issue(self, ids: tuple[int, ...], *_: object) -> tuple[int, Json]:
        return 200, _of(self.issues, ids[0])

    def create_issue(self, _: object, __: object, body: Json) -> tuple[int, Json]:
        _check_text("Issue", body.get("body", ""))
        if not body.get("title"):
            missing = {"resource": "Issue", "code": "missing_field", "field": "title"}
            raise RefusedError(422, "Validation Failed", missing)
        number = max(self.issues, default=0) + 1
        labels = tuple(body.get("labels", ()))
        self.issues[number] = self._issue(number, body["title"], body.get("body", ""), labels, self.login)
        return 201, self.issues[number]

    def edit_issue(self, ids: tuple[int, ...], _: object, body: Json) -> tuple[int, Json]:
        _check_text("Issue", body.get("body", ""))
        issue = _of(self.issues, ids[0])
        issue.update(
            {name: body[name] for name in ("title", "body", "state", "state_reason") if name in body}
        )
        return 200, issue

    def list_comments(self, ids: tuple[int, ...], *_: object) -> tuple[int, list[Json]]:
        _of(self.issues, ids[0])
        return 200, self._comments_of(ids[0])

    def create_comment(self, ids: tuple[int, ...], _: object, body: Json) -> tuple[int, Json]:
        _of(self.issues, ids[0])
        _check_text("IssueComment", body.get("body", ""))
        return 201, self.comments[self.add_comment(ids[0], body["body"], login=self.login)]

    def edit_comment(self, ids: tuple[int, ...], _: object, body: Json) -> tuple[int, Json]:
        comment = _of(self.comments, ids[0])
        _check_text("IssueComment", body.get("body", ""))
        comment["body"] = body["body"]
        return 200, comment

    def delete_comment(self, ids: tuple[int, ...], *_: object) -> tuple[int, None]:
        _of(self.comments, ids[0])
        del self.comments[ids[0]]
        return 204, None

    def run_attempt(self, ids: tuple[int, ...], *_: object) -> tuple[int, Json]:
        run, attempt = ids
        return 200, _of(self.runs, (run, attempt))


_ROUTES: dict[str, Callable[..., tuple[int, Any]]] = {
    r"GET /": FakeGitHub.repository,
    r"GET /pulls": FakeGitHub.list_pulls,
    r"GET /pulls/(\d+)": FakeGitHub.pull,
    r"GET /issues": FakeGitHub.list_issues,
    r"POST /issues": FakeGitHub.create_issue,
    r"GET /issues/(\d+)": FakeGitHub.issue,
    r"PATCH /issues/(\d+)": FakeGitHub.edit_issue,
    r"GET /issues/(\d+)/comments": FakeGitHub.list_comments,
    r"POST /issues/(\d+)/comments": FakeGitHub.create_comment,
    r"PATCH /issues/comments/(\d+)": FakeGitHub.edit_comment,
    r"DELETE /issues/comments/(\d+)": FakeGitHub.delete_comment,
    r"GET /actions/runs/(\d+)/attempts/(\d+)": FakeGitHub.run_attempt,
}


def _user(login: str) -> Json:
    return {"login": login, "id": 41898282, "type": "Bot" if login.endswith("[bot]") else "User"}


def _number(issue: Json) -> int:
    return issue["number"]


def _of(found: Mapping[Any, Json], key: object) -> Json:
    if key not in found:
        raise RefusedError(404, "Not Found")
    return found[key]


def _check_text(resource: str, text: str) -> None:
    if len(text) > BODY_LIMIT:
        message = f"Body is too long (maximum is {BODY_LIMIT} characters)"
        error = {"resource": resource, "code": "unprocessable", "field": "data", "message": message}
        raise RefusedError(422, "Validation Failed", error)


@contextmanager
def github_server() -> Generator[FakeGitHub]:
    """Runs on a port of the system's choice until the block ends."""
    fake = FakeGitHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one segment per answer: a second one would wait for the first one's acknowledgement

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body: Json = json.loads(self.rfile.read(length) or b"{}")
            place = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(place.query).items()}
            headers: dict[str, str] = {}
            try:
                status, content = fake.answer(
                    self.command, place.path, query, dict(self.headers.items()), body
                )
                if isinstance(content, list):
                    content, headers = _page(fake, place.path, query, content)  # pyright: ignore[reportUnknownArgumentType]
            except RefusedError as refused:
                status, headers = refused.status, refused.headers
                content = refused.body()
            if not status:
                self.close_connection = True
                return
            sent = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 # names of http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 # names of http.server
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _page(
    fake: FakeGitHub, path: str, query: Mapping[str, str], content: list[Json]
) -> tuple[list[Json], dict[str, str]]:
    size, page = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
    last = max(1, -(-len(content) // size))

    def link(number: int, name: str) -> str:
        return f'<{fake.url}{path}?{urlencode({**query, "page": number})}>; rel="{name}"'

    links = [link(page - 1, "prev"), link(1, "first")] if page > 1 else []
    if page < last:
        links += [link(page + 1, "next"), link(last, "last")]
    return content[(page - 1) * size : page * size], {"Link": ", ".join(links)} if links else {}
