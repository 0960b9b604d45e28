"""Runs a recorded scenario on the bindings of local Azure."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from azure.core.credentials import AzureNamedKeyCredential

from local_azure.functions_host.bindings import dotnet
from local_azure.functions_host.bindings.assistant_post import PostRequest
from local_azure.functions_host.bindings.assistant_query import QueryRequest
from local_azure.functions_host.bindings.assistant_service import AssistantService
from local_azure.functions_host.configuration import Configuration
from local_azure.functions_host.skills import Skills, SkillTrigger
from local_azure.tests.recordings.extension import comparison
from local_azure.tests.recordings.extension.comparison import Instants
from local_azure.tests.recordings.extension.servers import Clock, Model, Record, TableService

FOLDER = Path(__file__).parent
COMMON: Record = json.loads((FOLDER / "common.json").read_text())
_POST = {
    "id": "id",
    "message": "user_message",
    "connection": "ai_connection_name",
    "model": "chat_model",
    "collection": "collection_name",
    "storage": "chat_storage_connection_setting",
    "temperature": "temperature",
    "topP": "top_p",
    "maxTokens": "max_tokens",
    "reasoning": "is_reasoning_model",
}
_QUERY = {
    "id": "id",
    "timestamp": "timestamp_utc",
    "collection": "collection_name",
    "storage": "chat_storage_connection_setting",
}


class StorageKey(AzureNamedKeyCredential):
    """The key that the recorded connection strings had; the proxy replaces it by a token."""

    async def close(self) -> None:
        pass


def scenarios() -> dict[str, Record]:
    files = sorted(path for path in FOLDER.glob("*.json") if path.name != "common.json")
    return {scenario["name"]: scenario for file in files for scenario in json.loads(file.read_text())}


class Replay:
    """One scenario on an empty storage account and a new host."""

    def __init__(
        self, scenario: Record, tables: TableService, model: Model, urls: tuple[str, str], clock: Clock
    ) -> None:
        self._scenario = scenario
        self._tables = tables
        self._model = model
        self._skill_calls: list[list[str | None]] = []
        self._seeded: dict[str, Record] = {}
        self._instants = Instants()
        self._settings = _settings({**COMMON["settings"], **scenario.get("settings", {})}, *urls)
        self._clock = clock
        self._service = self._new_host()

    def _new_host(self) -> AssistantService:
        skills = Skills(self._run_skill)
        skills.register(_triggers(self._scenario.get("skills", ())))
        return AssistantService(Configuration(self._settings), skills, sleep=self._clock.sleep)

    async def differences(self) -> list[str]:
        found: list[str] = []
        try:
            for number, step in enumerate(self._scenario["steps"], 1):
                label = f"step {number} ({step['do']})"
                if step["do"] == "seed":
                    await self._seed(step)
                elif step["do"] == "restart":
                    await self._service.close()
                    self._service = self._new_host()
                else:
                    local = comparison.abbreviated(await self._step(step))
                    found += comparison.differences(step["then"], local, label, self._instants)
            rows = comparison.abbreviated(await self._tables.tables())
            found += comparison.differences(self._recorded_rows(), rows, "rows", self._instants)
        finally:
            await self._service.close()
        return found + self._instants.disorder()

    async def _seed(self, step: Record) -> None:
        table, rows = step.get("table", "ChatState"), step.get("rows") or _conversation(step["conversation"])
        await self._tables.insert(table, rows)
        stored = (await self._tables.tables())[table]
        self._seeded.setdefault(table, {}).update(stored)

    def _recorded_rows(self) -> Record:
        return {
            table: {
                key: comparison.abbreviated(self._seeded[table][key]) if row == "as seeded" else row
                for key, row in rows.items()
            }
            for table, rows in self._scenario["rows"].items()
        }

    async def _step(self, step: Record) -> Record:
        self._tables.start(step.get("faults", ()))
        self._model.start(step.get("answers", ()))
        self._skill_calls.clear()
        done: Record = {}
        try:
            output = await self._do(step)
        except Exception as error:  # noqa: BLE001 # a client of the bindings may raise any
            # The recording names a type of .NET, and any failure of local Azure is the same to the function.
            done["fails"] = step["then"].get("fails", f"{type(error).__name__}: {error}")
        else:
            if output is not None:
                done["result"] = json.loads(output)
        if self._model.log.records:
            done["model"] = comparison.counted_messages(self._model.log.records)
        if self._skill_calls:
            done["skills"] = list(self._skill_calls)
        if self._model.answers:
            done["answers_left"] = len(self._model.answers)
        done["storage"] = list(self._tables.log.records)
        return done

    async def _do(self, step: Record) -> str | None:
        match step["do"]:
            case "create":
                kind, value = step.get("kind", "string"), step["value"]
                content = base64.b64decode(value) if kind == "bytes" else value
                await self._service.output(kind, content)
                return None
            case "post":
                properties = {_POST[name]: value for name, value in step.items() if name in _POST}
                return await self._service.post(PostRequest(**properties))
            case _:
                properties = {_QUERY[name]: value for name, value in step.items() if name in _QUERY}
                return await self._service.query(QueryRequest(**properties))

    async def _run_skill(self, function: str, argument: str | None) -> str | None:
        earlier = sum(name == function for name, _ in self._skill_calls)
        self._skill_calls.append([function, argument])
        returns: Sequence[Record] = self._scenario.get("returns", {}).get(function) or ({"return": "done"},)
        given = returns[min(earlier, len(returns) - 1)]
        if "throw" in given:
            raise RuntimeError(given["throw"])
        value = given["return"] if "return" in given else given["json"]
        return None if value is None else dotnet.newtonsoft(value)


def _triggers(functions: Sequence[str]) -> dict[str, SkillTrigger]:
    return {
        skill["function"]: SkillTrigger(
            skill["parameter"],
            skill.get("skill", skill["function"]),
            skill["description"],
            skill.get("parametersJson"),
        )
        for skill in COMMON["skills"]
        if skill["function"] in functions
    }


def _settings(recorded: Mapping[str, str | None], tables: str, model: str) -> dict[str, str]:
    """Connection strings become the identity-based connections that a storage account without keys takes."""
    return {
        f"{name}__tableServiceUri" if value == "$TABLES" else name: value.replace("$TABLES", tables).replace(
            "$MODEL", model
        )
        for name, value in recorded.items()
        if value is not None
    }


def _conversation(conversation: Record) -> list[Record]:
    count: int = conversation["messages"]
    key: str = conversation["id"]
    moment = "2024-06-15T12:{:02}:{:02}Z"
    rows: list[Record] = [
        {
            "PartitionKey": key,
            "RowKey": f"msg-{number:04X}",
            "Content": f"Message {number}",
            "Role": conversation.get("role", "User"),
            "CreatedAt": {"DateTime": moment.format(number // 60, number % 60)},
            "ToolCalls": "",
        }
        for number in range(1, count + 1)
    ]
    if conversation.get("state", True):
        rows.append(
            {
                "PartitionKey": key,
                "RowKey": "state",
                "Exists": True,
                "CreatedAt": {"DateTime": moment.format(0, 0)},
                "LastUpdatedAt": {"DateTime": "2024-06-15T13:00:00Z"},
                "TotalMessages": count,
                "TotalTokens": 7,
            }
        )
    return rows
