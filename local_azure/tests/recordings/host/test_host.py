"""The Functions host of local Azure does what the recorded host does (README.md of recordings)."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from local_azure.tests.functions_host.harness import LocalAzure
from local_azure.tests.functions_host.model import ScriptedModel
from local_azure.tests.recordings.host import replay
from local_azure.tests.recordings.host.replay import Replay

GROUPS = replay.groups()
CASES = [case["name"] for group in GROUPS.values() for case in group]
DOCUMENT = Path(__file__).parents[3] / "README.md"
EXCEPTIONS = dict(re.findall(r"^\| `host/([\w./-]+)` \| (.+) \|$", DOCUMENT.read_text(), re.MULTILINE))
"""Cases that local Azure does not follow, with the reason."""

Differences = Callable[[str], dict[str, list[str]]]


@pytest.fixture(scope="module")
def differences(
    running_azure: LocalAzure, model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Differences]:
    """What differs in a group, which is replayed as a whole: a case builds on those before it."""
    folder = tmp_path_factory.mktemp("recording")
    site = running_azure.new_site(
        AI__endpoint=model.endpoint, AI__key="key", CHAT_MODEL_DEPLOYMENT_NAME="chat", RECORDING=str(folder)
    )
    site.start(replay.APP["function_app.py"], **{"functions.json": replay.APP["functions.json"]})
    replayed = Replay(site, model, folder)

    @cache
    def run(group: str) -> dict[str, list[str]]:
        return replayed.run(GROUPS[group])

    yield run
    site.delete()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[pytest.mark.xfail(reason=EXCEPTIONS[name], strict=True)] if name in EXCEPTIONS else [],
        )
        for name in CASES
    ],
)
def test_the_host_does_what_microsofts_does(differences: Differences, name: str) -> None:
    lines = differences(name.partition("/")[0])[name]
    assert not lines, "\n".join(["", *lines])


def test_at_most_20_cases_are_excepted_besides_the_admin_pages() -> None:
    assert set(EXCEPTIONS) <= set(CASES)
    assert len([name for name, reason in EXCEPTIONS.items() if not reason.startswith("admin page")]) <= 20
