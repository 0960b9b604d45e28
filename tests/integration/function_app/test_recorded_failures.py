"""The app's routes on local Azure's bindings, with the answers and the faults of recorded scenarios."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from assistants.settings import CHAT_STATE_TABLE

from local_azure.functions_host.bindings import connections
from local_azure.functions_host.bindings.assistant_post import PostRequest
from local_azure.functions_host.bindings.assistant_service import AssistantService
from local_azure.functions_host.configuration import Configuration
from local_azure.functions_host.skills import Skills, SkillTrigger
from local_azure.tests.recordings.extension import replay
from local_azure.tests.recordings.extension.servers import Clock, Log, Model, Record, TableService, serve
from tests.host_requests import DONE, FAILED, Api, body_of
from tests.integration.function_app.rows import conversation

SCENARIOS = replay.scenarios()


class Extension:
    """Does what a post and a PUT ask for, with the answers and the faults of a step. Called from a thread."""

    def __init__(self, service: AssistantService, tables: TableService, model: Model) -> None:
        self._service = service
        self._tables = tables
        self._model = model
        self._loop = asyncio.get_running_loop()

    def use(self, step: Record) -> None:
        self._tables.start(step.get("faults", ()))
        self._model.start(step.get("answers", ()))

    def post(self, assistant_id: str, message: str) -> bool:
        post = PostRequest(assistant_id, message, "AI", "chat", "Storage", CHAT_STATE_TABLE)
        return self._succeeds(self._service.post(post))

    def create(self, request: Record) -> bool:
        settings = {**request, "chatStorageConnectionSetting": "Storage"}
        return self._succeeds(self._service.output("bytes", json.dumps(settings).encode()))

    def _succeeds(self, work: Coroutine[Any, Any, object]) -> bool:
        return asyncio.run_coroutine_threadsafe(work, self._loop).exception(60) is None


@pytest_asyncio.fixture
async def extension(
    connection_string: str, api: Api, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Extension]:
    connection = dict(re.findall(r"(\w+)=([^;]+)", connection_string))

    def key(_configuration: Configuration, _section: str) -> replay.StorageKey:
        return replay.StorageKey(connection["AccountName"], connection["AccountKey"])

    async def run_skill(_function: str, _argument: str | None) -> str:
        return '"done"'

    monkeypatch.setattr(connections, "credential", key)
    clock, account = Clock(), connection["AccountName"]
    endpoint = connection["TableEndpoint"].removesuffix(f"/{account}")
    async with aiohttp.ClientSession() as session:
        tables, model = TableService(endpoint, account, "", session, Log(clock)), Model(Log(clock))
        async with serve(tables) as tables_url, serve(model) as model_url:
            settings = {
                "AI__endpoint": model_url,
                "AI__key": "key",
                "Storage__tableServiceUri": f"{tables_url}/{account}",
            }
            skills = Skills(run_skill)
            skills.register({"GetWeather": SkillTrigger("city", "GetWeather", "Weather")})
            service = AssistantService(Configuration(settings), skills, sleep=clock.sleep)
            extension = Extension(service, tables, model)

            def write(assistant_id: str, message: str) -> None:
                api.run.outcome = DONE if extension.post(assistant_id, message) else FAILED

            api.run.write = write
            yield extension
            await service.close()


def post_of(scenario: str) -> Record:
    return next(step for step in SCENARIOS[scenario]["steps"] if step["do"] == "post")


GOOD = post_of("post/plain")


@pytest.mark.parametrize(
    ("scenario", "stored"),
    [
        ("answers/usage-null", False),
        ("answers/content-array", False),
        ("failures/cut-for-ever", False),
        ("failures/500-for-ever", False),
        ("tools/call-id-null", False),
        ("tools/parallel-97", False),
        ("post/too-long-answer", False),
        ("storage/post-save-500-for-ever", False),
        ("storage/post-save-cut-before", True),
        ("storage/post-save-cut-after", True),
        ("answers/refusal", True),
        ("failures/mixed", True),
    ],
)
async def test_a_post_says_whether_it_is_stored_and_the_next_one_works(
    api: Api, extension: Extension, scenario: str, stored: bool
) -> None:
    conversation(api.tables, "a")
    extension.use(post_of(scenario))

    response = await asyncio.to_thread(api.post, "Hello")

    expected = (200, None) if stored else (503, "10")
    assert (response.status_code, response.headers.get("Retry-After")) == expected
    assert api.log.message_stored is stored
    contents = [message["content"] for message in body_of(api.get())["messages"]]
    assert ("Hello" in contents) is stored
    extension.use(GOOD)
    assert body_of(await asyncio.to_thread(api.post, "Again"))["reply"] == "Hi there"


@pytest.mark.parametrize(
    "scenario",
    [
        "tools/arguments-empty",
        "tools/arguments-cut",
        "tools/arguments-comment",
        "tools/arguments-deep",
        "tools/call-name-missing",
    ],
)
async def test_after_such_a_call_the_conversation_ends_and_a_put_starts_a_new_one(
    api: Api, extension: Extension, scenario: str
) -> None:
    conversation(api.tables, "a")
    extension.use(post_of(scenario))
    await asyncio.to_thread(api.post, "Hello")
    extension.use(GOOD)

    response = await asyncio.to_thread(api.post, "Again")

    assert (response.status_code, response.headers.get("Retry-After")) == (409, None)
    assert body_of(response)["messageStored"] is False
    assert api.get().status_code == 200
    assert api.put().status_code == 202
    assert await asyncio.to_thread(extension.create, api.create_requests[-1])
    extension.use(GOOD)
    assert body_of(await asyncio.to_thread(api.post, "Again"))["reply"] == "Hi there"


@pytest.mark.parametrize(
    ("fault", "found", "repeated"),
    [
        # The insert has arrived, and its repetition is refused.
        ({"op": "batch", "nth": 2, "cut": "after"}, 200, (202, None)),
        # The deletes have arrived: the lease of the PUT waits for rows.
        ({"op": "batch", "cut": "after"}, 404, (409, "5")),
    ],
)
async def test_a_put_that_failed_half_way_can_be_sent_again(
    api: Api, extension: Extension, fault: Record, found: int, repeated: tuple[int, str | None]
) -> None:
    conversation(api.tables, "a", "Hi")
    assert api.put().status_code == 202
    extension.use({"faults": [fault]})
    assert not await asyncio.to_thread(extension.create, api.create_requests[-1])

    assert api.get().status_code == found
    response = api.put()

    assert (response.status_code, response.headers.get("Retry-After")) == repeated
