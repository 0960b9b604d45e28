"""`python -m ops deploy` and `rollback` on local Azure: what runs afterwards, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workspace import COMMAND_DEADLINE, PROJECT, STACK, Workspace, workspace

pytestmark = pytest.mark.cli
IMPATIENT = ("--patience", "3")


class Releases:
    """A stack and the code that lies in its checkout."""

    def __init__(self, stack: Workspace) -> None:
        self.stack = stack
        self.main = stack.root / "function_app" / "function_app.py"
        self.create = stack.root / "function_app" / "assistants" / "routes" / "create.py"
        self.committed = {path: path.read_text() for path in (self.main, self.create)}
        self.summary = stack.root / "summary.md"
        self.first = ""

    def code(self, comment: str) -> None:
        """Good code, of its own hash."""
        for path, text in self.committed.items():
            path.write_text(text)
        self.main.write_text(f"{self.committed[self.main]}\n# {comment}\n")

    def code_that_answers_500(self) -> None:
        self.code("answers 500")
        good = "    return json_response({"
        assert good in self.committed[self.create]
        bad = self.committed[self.create].replace(good, f'    raise RuntimeError("no good")\n{good}')
        self.create.write_text(bad)

    def code_that_cannot_be_imported(self) -> None:
        self.code("cannot be imported")
        self.main.write_text(f"{self.committed[self.main]}\nimport a_module_that_nobody_has\n")

    def run(self, command: str, *words: str, code: int = 0, replace: str = "") -> str:
        """Everything that the command printed; neither the app's keys nor a token may be in it."""
        self.summary.unlink(missing_ok=True)
        done = self.stack.run(
            *self._words(command, *words),
            check=False,
            ASSISTANT_REPLACE=replace,
            GITHUB_STEP_SUMMARY=str(self.summary),
            GITHUB_SHA=f"commit of {self.main.read_text().rpartition('# ')[2].strip()}",
        )
        output = done.stdout + done.stderr
        assert done.returncode == code, output
        for keys in self.stack.home.sites.rglob("keys.json"):
            secrets: list[Any] = [*json.loads(keys.read_text()).values()]
            keys_in_output = [
                key for key in secrets if isinstance(key, str) and len(key) > 20 and key in output
            ]
            assert not keys_in_output
        return output

    def spawn(self, command: str, *words: str) -> "subprocess.Popen[str]":
        return self.stack.spawn(*self._words(command, *words))

    def _words(self, command: str, *words: str) -> list[str]:
        return ["exec", "--", sys.executable, "-m", "ops", command, "--stack", STACK, *words]

    def runs(self) -> str:
        outputs = self.stack.outputs()
        answer = self.stack.request("GET", f"{outputs['functionAppUrl']}/api/health")
        return str(answer.json()["package"])

    def python(self) -> str:
        """The Python version that the site is set to."""
        (site,) = (each for each in self.stack.arm()["resources"] if each["type"] == "Microsoft.Web/sites")
        return site["properties"]["functionAppConfig"]["runtime"]["version"]

    def results(self) -> list[str]:
        """Of the stack's list, newest first."""
        path = self.stack.root / ".build" / "archive" / "releases" / "assistant" / f"{STACK}.json"
        return [release["result"] for release in json.loads(path.read_text())["releases"]]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Releases]:
    """With one good release, `first`, on Python 3.12."""
    with workspace(tmp_path_factory.mktemp("release")) as clone:
        releases = Releases(clone)
        clone.config("pythonVersion", "3.12")
        releases.code("first")
        output = releases.run("deploy")
        assert "a rollback is not possible" in output
        assert "its rows are in ChatState, and removed again" in output
        releases.first = releases.runs()
        yield releases


@pytest.fixture
def first(releases: Releases) -> str:
    """The hash of the first release's code, which runs and is the newest good one."""
    releases.code("first")
    if releases.runs() != releases.first or releases.results()[0] != "good":
        releases.run("deploy")
    return releases.first


def test_a_package_that_fails_its_smoke_test_gives_way_to_the_one_before(
    releases: Releases, first: str
) -> None:
    releases.code_that_answers_500()

    output = releases.run("deploy", *IMPATIENT, code=3)

    assert releases.runs() == first
    assert releases.stack.put("served-again").status == 202
    assert releases.results()[:2] == ["good", "failed"]
    summary = releases.summary.read_text()
    for text in (output, summary):
        for part in (first, "answers 500", "commit of first", "commit of answers 500"):
            assert part in text
    releases.code("first")
    assert releases.stack.planned() == {}
    assert "smoke-test" not in releases.stack.run("rows", "ChatState").stdout.replace("served-again", "")


def test_code_that_cannot_run_gives_way_to_the_one_before(releases: Releases, first: str) -> None:
    releases.code_that_cannot_be_imported()

    output = releases.run("deploy", code=3)

    assert "a_module_that_nobody_has" in output
    assert releases.runs() == first
    assert releases.results()[:2] == ["good", "failed"]


def test_a_rollback_goes_back_stays_when_the_stack_is_mended_and_the_next_deploy_goes_forward_again(
    releases: Releases, first: str
) -> None:
    """Also over a change of the app's Python, and with the conversations."""
    assert releases.stack.put("kept").status == 202
    releases.code("second")
    releases.stack.config("pythonVersion", "3.13")
    preview = releases.stack.pulumi("preview").stdout
    assert "from Python 3.12 to 3.13 first" in preview
    releases.run("deploy")
    second = releases.runs()
    assert (second != first, releases.python()) == (True, "3.13")

    assert first in releases.run("rollback", "--dry-run")
    assert releases.runs() == second

    told = releases.run("rollback")
    assert "built for Python 3.12, so the function app runs on it instead of on pythonVersion 3.13" in told
    assert (releases.runs(), releases.python()) == (first, "3.12")
    assert "kept" in releases.stack.run("rows", "ChatState").stdout
    releases.stack.config("pythonVersion", "3.12")
    assert "no good release to roll back to" in releases.run("rollback", code=1)
    assert releases.runs() == first

    group = releases.stack.outputs()["resourceGroupName"]
    releases.stack.run("portal", "tag", "set", group, "by-hand", "yes")
    releases.stack.run("portal", "delete", "tables/ChatState")
    releases.run("deploy", "--again")
    assert releases.runs() == first, "and not the code of the checkout"
    assert "by-hand" not in json.dumps(releases.stack.arm())
    assert releases.results()[:3] == ["good", "rolled back", "good"]


def test_a_deploy_that_was_killed_while_it_pushed_can_be_rolled_back_and_run_again(
    releases: Releases, first: str
) -> None:
    releases.code("killed")
    process = releases.spawn("deploy")
    try:
        assert any("Pushing the package" in line for line in process.stdout or ())
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert releases.results()[0] == "unfinished"

    releases.run("rollback", "--to", first)

    assert releases.runs() == first
    releases.run("deploy")
    assert releases.runs() != first
    assert releases.results()[0] == "good"


def test_packages_can_be_kept_in_a_container_with_a_token_only(releases: Releases, first: str) -> None:
    (account,) = (one for one in releases.stack.resources() if one["urn"].endswith("::storage-account"))
    container = f"{account['id']}/blobServices/default/containers/packages"
    process = subprocess.run(
        [
            *(sys.executable, "-m", "local_azure", "exec", "--"),
            *(sys.executable, str(PROJECT / "tests" / "portal.py")),
        ],
        cwd=releases.stack.root,
        env={**releases.stack.environment, "PYTHONPATH": f"{releases.stack.root}:{PROJECT}"},
        input=json.dumps([["put", container, {"properties": {}}]]),
        capture_output=True,
        text=True,
        timeout=COMMAND_DEADLINE,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    url = f"{account['outputs']['primaryEndpoints']['blob'].rstrip('/')}/packages"

    releases.run("deploy", "--archive", url)
    output = releases.run("deploy", "--archive", url, "--hash", first)

    assert first in output
    assert releases.runs() == first
