"""`python -m ops deploy` and `rollback` on local Azure, once the whole way.

tests/unit/ops/test_release.py has every other failure, and runs that were killed at each step.
"""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.workspace import STACK, Workspace, workspace

pytestmark = pytest.mark.cli


class Releases:
    """A stack and the code in its checkout."""

    def __init__(self, stack: Workspace) -> None:
        self.stack, self.summary = stack, stack.root / "summary.md"
        self.main = stack.root / "function_app" / "function_app.py"
        self.create = stack.root / "function_app" / "assistants" / "routes" / "create.py"
        self.committed = {path: path.read_text() for path in (self.main, self.create)}

    def code(self, comment: str, *, answers_500: bool = False) -> None:
        """Code of its own hash."""
        self.main.write_text(f"{self.committed[self.main]}\n# {comment}\n")
        good, create = "    return json_response({", self.committed[self.create]
        assert good in create
        bad = f'    raise RuntimeError("no good")\n{good}'
        self.create.write_text(create.replace(good, bad) if answers_500 else create)

    def run(self, command: str, *words: str, code: int = 0) -> str:
        """Everything that the command printed; the app's keys may not be in it."""
        done = self.stack.run(
            *("exec", "--", sys.executable, "-m", "ops", command, "--stack", STACK, *words),
            check=False,
            GITHUB_STEP_SUMMARY=str(self.summary),
            GITHUB_SHA=f"commit of {self.main.read_text().rpartition('# ')[2].strip()}",
        )
        output = done.stdout + done.stderr
        assert done.returncode == code, output
        for keys in self.stack.home.sites.rglob("keys.json"):
            assert not [
                key
                for key in json.loads(keys.read_text()).values()
                if isinstance(key, str) and len(key) > 20 and key in output
            ]
        return output

    def runs(self) -> tuple[str, str]:
        """The package that the site reports, and the Python version that it is set to."""
        answer = self.stack.request("GET", f"{self.stack.outputs()['functionAppUrl']}/api/health")
        (site,) = (
            resource
            for resource in self.stack.arm()["resources"]
            if resource["type"] == "Microsoft.Web/sites"
        )
        version = site["properties"]["functionAppConfig"]["runtime"]["version"]
        return str(answer.json()["package"]), version

    def results(self) -> list[str]:
        """Of the stack's list, newest first."""
        path = self.stack.root / ".build" / "archive" / "releases" / "assistant" / f"{STACK}.json"
        return [release["result"] for release in json.loads(path.read_text())["releases"]]


def test_a_package_is_deployed_gives_way_when_it_fails_and_is_rolled_back(tmp_path: Path) -> None:
    with workspace(tmp_path / "release") as clone:
        releases = Releases(clone)
        clone.config("pythonVersion", "3.12")
        releases.code("first")
        output = releases.run("deploy")
        assert "a rollback is not possible" in output
        assert re.search(r"smoke test: DELETE /api/assistants/smoke-test-\w+ answers 204", output)
        first, _ = releases.runs()

        # A package that fails its smoke test.
        releases.code("answers 500", answers_500=True)
        output = releases.run("deploy", "--patience", "3", code=3)
        assert releases.runs() == (first, "3.12")
        assert clone.put("kept").status == 202
        assert releases.results() == ["good", "failed", "good"]
        for text in (output, releases.summary.read_text()):
            for part in (first, "answers 500", "commit of first", "commit of answers 500"):
                assert part in text
        releases.code("first")
        assert clone.planned() == {}

        # A rollback over a change of the app's Python, with the conversations.
        releases.code("second")
        clone.config("pythonVersion", "3.13")
        assert "from Python 3.12 to 3.13 first" in clone.pulumi("preview").stdout
        releases.run("deploy")
        second, version = releases.runs()
        assert (second != first, version) == (True, "3.13")
        output = releases.run("rollback")
        assert (
            "built for Python 3.12, so the function app runs on it instead of on pythonVersion 3.13" in output
        )
        assert releases.runs() == (first, "3.12")
        rows = clone.run("rows", "ChatState").stdout
        assert "kept" in rows
        assert "smoke-test" not in rows
        clone.config("pythonVersion", "3.12")

        # What was changed in the portal is restored, with the package of the stack.
        clone.run("portal", "tag", "set", clone.outputs()["resourceGroupName"], "by-hand", "yes")
        clone.run("portal", "delete", "tables/ChatState")
        releases.run("deploy", "--again")
        assert releases.runs() == (first, "3.12"), "and not the code of the checkout"
        assert "by-hand" not in json.dumps(clone.arm())
        assert releases.results()[:3] == ["good", "rolled back", "good"]
