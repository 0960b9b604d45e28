"""A server on the loopback that plays GitHub's REST API for one repository.

It knows the routes that ops/github/github.py calls, after GitHub's published description
(github/rest-api-description): numbers and ids, pages with a Link header, 401, 403, 404, 422 and the
secondary rate limit.
"""

import json
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

TOKEN = "a-token-of-the-stand-in"
REPOSITORY = "octo-org/assistants"
BOT = "github-actions[bot]"
BODY_LIMIT = 65_536

Json = dict[str, Any]


class RefusedError(Exception):
    """`errors` are members of the response, `headers` are sent with it."""

    def __init__(
        self, status: int, message: str, *errors: Json, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.content: Json = {"message": message, "documentation_url": "https://docs.github.com/rest"}
        if errors:
            self.content["errors"] = errors


RATE_LIMIT = RefusedError(
    403,
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    headers={"Retry-After": "0"},
)


@dataclass
class FakeGitHub:
    """`received` has one line per request, as `POST /repos/…`. `issues` include the pull requests.

    If `readable` is False, every response is 404, as for a token that may not see the repository. If
    `may_write` is False, writes are refused, as for a job without the permission. `outages` are methods and
    the responses to their next requests.
    """

    url: str = ""
    readable: bool = True
    may_write: bool = True
    outages: list[tuple[str, RefusedError]] = field(default_factory=list[tuple[str, RefusedError]])
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
        labels: tuple[str, ...] = (),
        author: str = "octocat",
    ) -> None:
        self.pulls[number] = {
            "url": self._url("pulls", number),
            "id": next(self._ids),
            "number": number,
            "state": state,
            "user": {"login": author},
            "merged_at": "2026-11-24T10:00:00Z" if merged else None,
            "labels": self._labels(labels),
            "head": {
                "label": f"{(head_repository or 'someone/gone').partition('/')[0]}:{branch}",
                "ref": branch,
                "sha": sha,
                "repo": head_repository and {"id": 2, "full_name": head_repository},
            },
        }
        self.add_issue(number, f"Change {number}", "", login=author, state=state)
        self.issues[number]["pull_request"] = {"url": self.pulls[number]["url"]}

    def add_issue(self, number: int, title: str, body: str, *, login: str = BOT, state: str = "open") -> None:
        self.issues[number] = {
            "url": self._url("issues", number),
            "id": next(self._ids),
            "number": number,
            "title": title,
            "body": body,
            "state": state,
            "labels": [],
            "user": {"login": login},
        }

    def add_comment(self, number: int, body: str, *, login: str = BOT) -> int:
        comment_id = next(self._ids)
        self.comments[comment_id] = {
            "id": comment_id,
            "url": self._url("issues", "comments", comment_id),
            "issue_url": self._url("issues", number),
            "body": body,
            "user": {"login": login},
        }
        return comment_id

    def add_run(self, run_id: int, attempt: int, status: str) -> None:
        run = {"id": run_id, "run_attempt": attempt, "status": status}
        self.runs[run_id, attempt] = {**run, "url": self._url("actions", "runs", run_id)}

    def bodies(self, number: int) -> list[str]:
        """Texts of all comments on an issue or a pull request, oldest first."""
        return [comment["body"] for comment in self._comments_of(number)]

    def _comments_of(self, number: int) -> list[Json]:
        url = self._url("issues", number)
        return [comment for comment in self.comments.values() if comment["issue_url"] == url]

    def _url(self, *path: object) -> str:
        return "/".join([self.url, "repos", REPOSITORY, *map(str, path)])

    def _labels(self, names: Sequence[str]) -> list[Json]:
        return [{"id": next(self._ids), "name": name} for name in names]

    def respond(
        self, method: str, path: str, query: Mapping[str, str], authorization: str, body: Json
    ) -> tuple[int, Any]:
        """Status and content; a list is cut into pages by the caller. Raises RefusedError."""
        repository = f"/repos/{REPOSITORY}"
        if method != "GET" and self.before_write is not None:
            self.before_write(f"{method} {path.removeprefix(repository)}")
        with self._lock:
            self.received.append(f"{method} {path}")
            for outage in self.outages:
                if outage[0] == method:
                    self.outages.remove(outage)
                    raise outage[1]
            if authorization not in {f"token {TOKEN}", f"Bearer {TOKEN}"}:
                raise RefusedError(401, "Bad credentials")
            if (method, path, body.get("query")) == ("POST", "/graphql", "query { viewer { login } }"):
                return 200, {"data": {"viewer": {"login": BOT}}}
            if not self.readable or not path.startswith(repository):
                raise RefusedError(404, "Not Found")
            if method != "GET" and not self.may_write:
                raise RefusedError(403, "Resource not accessible by integration")
            if len(body.get("body", "")) > BODY_LIMIT:
                error = {"message": f"Body is too long (maximum is {BODY_LIMIT} characters)"}
                raise RefusedError(422, "Validation Failed", error)
            try:
                return self._route(method, path.removeprefix(repository).split("/")[1:], query, body)
            except KeyError as error:
                raise RefusedError(404, "Not Found") from error

    def _route(self, method: str, path: list[str], query: Mapping[str, str], body: Json) -> tuple[int, Any]:
        """Raises KeyError if the route or the object does not exist."""
        state = query.get("state", "open")
        match [method, *path]:
            case ["GET"]:
                return 200, {"id": 1, "full_name": REPOSITORY, "url": self._url()}
            case ["GET", "pulls"]:
                pulls = [pull for pull in reversed(self.pulls.values()) if pull["state"] == state]
                return 200, [pull for pull in pulls if pull["head"]["label"] == query.get("head")]
            case ["GET", "pulls", number]:
                return 200, self.pulls[int(number)]
            case ["GET", "issues"]:
                issues = [issue for issue in self.issues.values() if issue["state"] == state]
                return 200, sorted(issues, key=_number, reverse=query.get("direction") != "asc")
            case ["POST", "issues"]:
                if not body.get("title"):
                    missing = {"resource": "Issue", "code": "missing_field", "field": "title"}
                    raise RefusedError(422, "Validation Failed", missing)
                number = max(self.issues, default=0) + 1
                self.add_issue(number, body["title"], body.get("body", ""))
                self.issues[number]["labels"] = self._labels(body.get("labels", []))
                return 201, self.issues[number]
            case ["GET", "issues", number]:
                return 200, self.issues[int(number)]
            case ["PATCH", "issues", number]:
                return 200, _updated(self.issues[int(number)], body, "title", "body", "state", "state_reason")
            case ["GET", "issues", number, "comments"] if int(number) in self.issues:
                return 200, self._comments_of(int(number))
            case ["POST", "issues", number, "comments"] if int(number) in self.issues:
                return 201, self.comments[self.add_comment(int(number), body["body"])]
            case ["PATCH", "issues", "comments", comment_id]:
                return 200, _updated(self.comments[int(comment_id)], body, "body")
            case ["DELETE", "issues", "comments", comment_id]:
                del self.comments[int(comment_id)]
                return 204, None
            case ["GET", "actions", "runs", run_id, "attempts", attempt]:
                return 200, self.runs[int(run_id), int(attempt)]
            case _:
                raise KeyError(path)


def _number(issue: Json) -> int:
    return issue["number"]


def _updated(post: Json, body: Json, *names: str) -> Json:
    post.update({name: body[name] for name in names if name in body})
    return post


@contextmanager
def github_server() -> Generator[FakeGitHub]:
    """Runs on a port of the system's choice until the block ends."""
    fake = FakeGitHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = (
            -1
        )  # one segment per response: a second one would wait for the acknowledgement of the first

        def _serve(self) -> None:
            body: Json = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            url = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(url.query).items()}
            headers: Mapping[str, str] = {}
            try:
                authorization = self.headers.get("Authorization", "")
                status, content = fake.respond(self.command, url.path, query, authorization, body)
                if isinstance(content, list):
                    content, headers = _page(fake.url + url.path, query, content)  # pyright: ignore[reportUnknownArgumentType]
            except RefusedError as refused:
                status, headers, content = refused.status, refused.headers, refused.content
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


def _page(url: str, query: Mapping[str, str], content: list[Json]) -> tuple[list[Json], dict[str, str]]:
    size, page = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
    headers: dict[str, str] = {}
    if page * size < len(content):
        headers["Link"] = f'<{url}?{urlencode({**query, "page": page + 1})}>; rel="next"'
    return content[(page - 1) * size : page * size], headers
