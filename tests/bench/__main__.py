"""Print the figures of CONTRIBUTING.md: `make bench`.

Every ratio is the median of pairs that are measured alternately in one run, so that changes of the machine's
speed do not affect it. A missed target is not an error, since a busy machine can miss it.
"""

import argparse
import contextlib
import dataclasses
import http.client
import importlib.metadata
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid
import zipfile
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.data.tables import TableServiceClient

from delivery.package import DEFAULT_PYTHON, SITE_PACKAGES, build_package
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID
from local_azure.core.tokens import MODEL_AUDIENCES, Tokens, load_key
from local_azure.loopback import without_proxy
from tests.workspace import PROJECT, STACK, Workspace, workspace
from tools.interpreters import find_interpreter

PAIRS = 9
REQUESTS = 60
IMPORTS = 15


@dataclass(frozen=True)
class Figure:
    what: str
    value: float
    unit: str  # "x" for a ratio, "s" for seconds
    target: float
    parts: str

    def line(self) -> str:
        verdict = "met" if self.value <= self.target else "MISSED"
        bound = f"at most {self.target:g} {self.unit}"
        return f"{self.what:<58} {self.value:6.2f} {self.unit}  {bound:<15} {verdict:<6}  ({self.parts})"


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def ratio(what: str, target: float, count: int, **actions: Callable[[], object]) -> Figure:
    """Runs two actions alternately, `count` times; the first run of each is not measured."""
    for action in actions.values():
        action()
    measured = [[seconds(action) for action in actions.values()] for _ in range(count)]
    medians = map(statistics.median, zip(*measured, strict=True))
    parts = [f"{name} {median * 1000:.0f} ms" for name, median in zip(actions, medians, strict=True)]
    value = statistics.median(first / second for first, second in measured)
    return Figure(what, value, "x", target, ", ".join(parts))


def azure_native_names() -> list[str]:
    """The names of pulumi_azure_native that infra uses, as `web.WebApp`.

    A module loads when one of its names is first used, so importing it is not enough.
    """
    names: set[str] = set()
    for text in (path.read_text() for path in (PROJECT / "infra").rglob("*.py")):
        for imported in re.findall(r"^from pulumi_azure_native import (.+)", text, re.MULTILINE):
            modules = imported.replace(", ", "|")
            names.update(re.findall(rf"(?<![\w.`])(?:{modules})\.\w+", text))
    return sorted(names)


LITERAL_PROGRAM = """\
import json
import pathlib

import pulumi
import pulumi_azure_native

{taken}
state = json.loads(pathlib.Path("state.json").read_text())
made = {{}}
for resource in state:
    options = pulumi.ResourceOptions(
        parent=made.get(resource.get("parent")),
        depends_on=[made[urn] for urn in resource.get("dependencies", [])],
        version="{version}" if resource["type"].startswith("azure-native:") else None,
    )
    kind = pulumi.CustomResource if resource["custom"] else pulumi.ComponentResource
    name = resource["urn"].rpartition("::")[2]
    made[resource["urn"]] = kind(resource["type"], name, resource.get("inputs", {{}}), options)
for name, value in json.loads(pathlib.Path("outputs.json").read_text()).items():
    pulumi.export(name, value)
"""


@contextlib.contextmanager
def literal_program(stack: Workspace) -> Generator[Workspace]:
    """A program that registers the stack's resources with the inputs of its state, on the same state."""
    folder = stack.root / "literal"
    folder.mkdir()
    for name in ("Pulumi.yaml", f"Pulumi.{STACK}.yaml"):
        shutil.copy2(stack.root / name, folder / name)
    (folder / ".venv").symlink_to(stack.root / ".venv")
    own = [
        resource
        for resource in stack.resources()
        if not resource["type"].startswith(("pulumi:providers:", "pulumi:pulumi:"))
    ]
    (folder / "state.json").write_text(json.dumps(own))
    (folder / "outputs.json").write_text(json.dumps(stack.outputs()))
    taken = "".join(f"pulumi_azure_native.{name}\n" for name in azure_native_names())
    version = importlib.metadata.version("pulumi-azure-native")
    (folder / "__main__.py").write_text(LITERAL_PROGRAM.format(taken=taken, version=version))
    environment = {**stack.environment, "LOCAL_AZURE_HOME": str(stack.home.root)}
    try:
        yield dataclasses.replace(stack, root=folder, environment=environment)
    finally:
        shutil.rmtree(folder)


def no_change_up(stack: Workspace) -> Figure:
    stack.up()
    with literal_program(stack) as literal:
        return ratio(
            "no-change up / up of the same resources by literal inputs",
            1.15,
            PAIRS,
            stack=lambda: stack.up("--expect-no-changes"),
            literal=lambda: literal.up("--expect-no-changes"),
        )


def import_time(python_version: str, folder: Path) -> Figure:
    """Of the package, on the app's Python."""
    interpreter = find_interpreter(python_version)
    if interpreter is None:
        sys.exit(f"Python {python_version} was not found: `uv python install {python_version}` installs it.")
    package = build_package(python_version, out=folder / "app.zip")
    with zipfile.ZipFile(package.path) as archive:
        archive.extractall(folder)

    def importing(module: str) -> Callable[[], object]:
        code = f"import sys; sys.path[:0] = ['{SITE_PACKAGES}', '.']; import {module}"
        command = [interpreter, "-I", "-S", "-c", code]
        return lambda: subprocess.run(command, cwd=folder, env={}, check=True)

    what = f"import of function_app / of azure.functions, Python {python_version}"
    return ratio(what, 1.25, IMPORTS, app=importing("function_app"), library=importing("azure.functions"))


def tables(stack: Workspace) -> Any:
    """A TableServiceClient, whose methods leave their options untyped."""
    ca_file = str(stack.home.ca_file)
    return TableServiceClient(stack.table_endpoint(), credential=stack.developer(), connection_verify=ca_file)


def put_through_the_host(stack: Workspace) -> Figure:
    """A PUT, and its table operations alone; both reuse their connections."""
    outputs = stack.outputs()
    service = tables(stack)
    table = service.get_table_client("ChatState")
    url = urllib.parse.urlsplit(str(outputs["assistantsUrl"]))
    connection = http.client.HTTPSConnection(url.netloc, context=stack.trusted())
    headers = {"x-functions-key": stack.key()}
    ids = [f"bench-{uuid.uuid4().hex}" for _ in range(10)]
    turn = iter(range(1_000_000))

    def through_the_host() -> None:
        connection.request("PUT", f"{url.path}/{ids[next(turn) % len(ids)]}", headers=headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 202, response.status

    def directly() -> None:
        key = ids[next(turn) % len(ids)]
        service.create_table_if_not_exists("ChatState")
        rows = list(table.query_entities("PartitionKey eq @id", parameters={"id": key}))
        table.submit_transaction([("delete", row) for row in rows])
        table.submit_transaction([("create", dict(row)) for row in rows])

    for _ in ids:
        through_the_host()
    what = "PUT through the local host / its table operations"
    return ratio(what, 1.5, REQUESTS, PUT=through_the_host, direct=directly)


def post_through_the_host(stack: Workspace) -> Figure:
    """A message with its reply, and its table operations and model call alone.

    Both reuse their connections, and write to conversations of the same length.
    """
    outputs = stack.outputs()
    service = tables(stack)
    table, leases = service.get_table_client("ChatState"), service.get_table_client("AssistantLeases")
    app, model = (urllib.parse.urlsplit(str(outputs[name])) for name in ("assistantsUrl", "openaiEndpoint"))
    to_app = http.client.HTTPSConnection(app.netloc, context=stack.trusted())
    to_model = http.client.HTTPSConnection(model.netloc, context=stack.trusted())
    tokens = Tokens(load_key(stack.home.token_key_file))
    token = tokens.issue(DEVELOPER_PRINCIPAL_ID, MODEL_AUDIENCES[0]).token
    (deployment,) = (
        resource["name"]
        for resource in stack.arm()["resources"]
        if resource["type"].endswith("accounts/deployments")
    )
    through, beside = f"bench-{uuid.uuid4().hex}", f"bench-{uuid.uuid4().hex}"

    def call(connection: http.client.HTTPSConnection, path: str, body: object, **headers: str) -> Any:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json", **headers})
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200, content
        return json.loads(content)

    def through_the_host() -> None:
        call(to_app, f"{app.path}/{through}/messages", {"message": "hello"}, **{"x-functions-key": key})

    def directly() -> None:
        table.get_entity(beside, "state")
        leases.create_entity({"PartitionKey": beside, "RowKey": "lease"})
        table.get_entity(beside, "state")
        rows = list(table.query_entities("PartitionKey eq @id", parameters={"id": beside}))
        messages = [
            {"role": str(row["Role"]).lower(), "content": row["Content"]} for row in rows if "Role" in row
        ]
        path = f"/openai/deployments/{deployment}/chat/completions?api-version=2024-10-21"
        request = {"messages": [*messages, {"role": "user", "content": "hello"}]}
        reply = call(to_model, path, request, authorization=f"Bearer {token}")["choices"][0]["message"][
            "content"
        ]
        number = len(rows)
        new = [
            {"PartitionKey": beside, "RowKey": f"msg-{number + at:04X}", "Role": role, "Content": text}
            for at, (role, text) in enumerate((("User", "hello"), ("Assistant", reply)))
        ]
        state = {"PartitionKey": beside, "RowKey": "state", "TotalMessages": number + 1}
        table.submit_transaction([*(("create", row) for row in new), ("upsert", state)])
        since = {"id": beside, "first": new[0]["RowKey"]}
        list(table.query_entities("PartitionKey eq @id and RowKey ge @first", parameters=since))
        leases.delete_entity(beside, "lease")

    key = stack.key()
    for assistant in (through, beside):
        assert stack.put(assistant).status == 202
        # The first message removes the lease of the create request.
        call(to_app, f"{app.path}/{assistant}/messages", {"message": "hello"}, **{"x-functions-key": key})
    what = "POST of a message / its table and model calls"
    return ratio(what, 1.3, REQUESTS // 3, POST=through_the_host, direct=directly)


def unchanged_package() -> Figure:
    build_package(DEFAULT_PYTHON)
    took = statistics.median(seconds(lambda: build_package(DEFAULT_PYTHON)) for _ in range(PAIRS))
    return Figure("package build with nothing changed", took, "s", 0.2, "median")


def second_local() -> Figure:
    """`make local` in this folder, the second time."""
    command = ["make", "--no-print-directory", "local"]
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    took = seconds(lambda: subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL))
    return Figure("make local, the second time", took, "s", 15, "everything is running already")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.parse_args()
    os.environ.update(without_proxy(os.environ))
    figures: list[Figure] = []

    def show(figure: Figure) -> None:
        figures.append(figure)
        print(figure.line(), flush=True)

    for version in ("3.12", DEFAULT_PYTHON):
        with tempfile.TemporaryDirectory() as folder:
            show(import_time(version, Path(folder)))
    show(unchanged_package())
    with tempfile.TemporaryDirectory() as folder, workspace(Path(folder) / "clone") as stack:
        stack.config("modelCapacity", 10_000)  # otherwise the model's rate limit is measured
        stack.up()
        show(no_change_up(stack))
        show(put_through_the_host(stack))
        show(post_through_the_host(stack))
    show(second_local())
    missed = [figure for figure in figures if figure.value > figure.target]
    print(f"{len(figures) - len(missed)} of {len(figures)} figures met")


if __name__ == "__main__":
    main()
