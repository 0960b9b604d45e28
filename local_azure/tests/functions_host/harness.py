"""A local Azure of the tests' own, the function apps in it, and requests to them."""

import asyncio
import compileall
import http.client
import io
import json
import shutil
import socket
import ssl
import tempfile
import time
import uuid
import zipfile
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any, TypeVar, cast

import azure.functions
import markupsafe
import werkzeug
from azure.core.credentials import AccessToken
from azure.data.tables import TableClient

from local_azure.core import ids
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource, Store
from local_azure.core.tokens import Tokens
from local_azure.dataplane import SiteHosts, StorageEndpoints
from local_azure.functions_host.service import Sites
from local_azure.home import Home
from local_azure.runtime import tls as certificates
from local_azure.services.storage.accounts import StorageAccounts
from tests.polling import wait_for
from tests.workspace import Answer

T = TypeVar("T")

GROUP = ids.resource_group(SUBSCRIPTION_ID, "tests")
BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
TABLE_CONTRIBUTOR = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
PREVIEW_BUNDLE = {"id": "Microsoft.Azure.Functions.ExtensionBundle.Preview", "version": "[4.45.0, 4.48.0)"}
DEADLINE = 30.0
_LIBRARIES = ((azure.functions, "azure/functions"), (werkzeug, "werkzeug"), (markupsafe, "markupsafe"))
_PACKAGES = ".python_packages/lib/site-packages"


def host_json(**changes: Any) -> str:
    return json.dumps({"version": "2.0", "extensionBundle": PREVIEW_BUNDLE, **changes})


def until(condition: Callable[[], T], what: str) -> T:
    return wait_for(condition, what, DEADLINE)


def _libraries() -> Iterable[tuple[Path, str]]:
    """azure.functions and what it needs: the folders in this venv and in a package."""
    for module, name in _LIBRARIES:
        assert module.__file__ is not None
        yield Path(module.__file__).parent, f"{_PACKAGES}/{name}"


@cache
def _library_files() -> Mapping[str, bytes]:
    """Compiled too: every worker that a test starts would do it again."""
    with tempfile.TemporaryDirectory() as scratch:
        for folder, target in _libraries():
            shutil.copytree(folder, Path(scratch, target), ignore=shutil.ignore_patterns("__pycache__"))
        unchecked = PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(scratch, quiet=2, stripdir=scratch, invalidation_mode=unchecked)
        files = [path for path in Path(scratch).rglob("*.py*") if path.is_file()]
        return {path.relative_to(scratch).as_posix(): path.read_bytes() for path in files}


def write_app(folder: Path, function_app: str) -> Path:
    """An extracted package in a folder, with the libraries of this venv by symbolic links."""
    for library, target in _libraries():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).symlink_to(library)
    (folder / "host.json").write_text(host_json())
    (folder / "function_app.py").write_text(function_app)
    return folder


def package(files: Mapping[str, str | bytes], *, with_libraries: bool = True) -> bytes:
    """A zip with the files and the libraries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {**(_library_files() if with_libraries else {}), **files}.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@dataclass(frozen=True)
class FixedToken:
    """A credential for the storage SDKs."""

    token: str

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3600)


@dataclass
class LocalAzure:
    home: Home
    loop: asyncio.AbstractEventLoop
    store: Store
    tokens: Tokens
    tls: certificates.Tls
    storage: StorageAccounts
    sites: Sites
    account: str
    endpoints: StorageEndpoints

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(180)

    def do(self, work: Callable[[], T]) -> T:
        """The store belongs to the loop's thread."""

        async def inside() -> T:
            return work()

        return self.run(inside())

    def put(self, resource_id: str, resource_type: str, **members: Any) -> None:
        resource = {"id": resource_id, "name": ids.name_of(resource_id), "type": resource_type, **members}
        self.do(lambda: self.store.put(cast("Resource", resource)))

    def token(
        self, principal_id: str = DEVELOPER_PRINCIPAL_ID, audience: str = "https://management.azure.com/"
    ) -> str:
        return self.tokens.issue(principal_id, audience).token

    @property
    def storage_credential(self) -> FixedToken:
        return FixedToken(self.token(audience="https://storage.azure.com"))

    def assign(self, principal_id: str, role: str, scope: str) -> None:
        properties = {
            "principalId": principal_id,
            "scope": scope,
            "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{role}",
        }
        assignment = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        self.put(assignment, "Microsoft.Authorization/roleAssignments", properties=properties)

    def table(self, name: str = "ChatState") -> TableClient:
        return TableClient(
            self.endpoints.table,
            name,
            credential=self.storage_credential,
            connection_verify=str(self.tls.ca_file),
        )

    def rows(self, partition_key: str, table: str = "ChatState") -> list[dict[str, Any]]:
        with self.table(table) as client:
            entities = cast(
                "Iterable[dict[str, Any]]",
                client.query_entities(  # pyright: ignore[reportUnknownMemberType] # the SDK leaves `**kwargs` open
                    "PartitionKey eq @key", parameters={"key": partition_key}
                ),
            )
            return sorted((dict(row) for row in entities), key=lambda row: row["RowKey"])

    def new_site(
        self,
        *,
        roles: tuple[str, ...] = (BLOB_OWNER, TABLE_CONTRIBUTOR),
        container: str = "deployments",
        **settings: str,
    ) -> "TestSite":
        name = f"app-{uuid.uuid4().hex[:8]}"
        identity_type = "Microsoft.ManagedIdentity/userAssignedIdentities"
        site = TestSite(
            self,
            ids.build(GROUP, "Microsoft.Web/sites", name),
            ids.build(GROUP, identity_type, name),
            container,
        )
        identity = {"principalId": site.principal_id, "clientId": site.client_id}
        self.put(site.identity_id, identity_type, properties=identity)
        for role in roles:
            self.assign(site.principal_id, role, self.account)
        site.settings = {
            "AzureWebJobsStorage__tableServiceUri": self.endpoints.table,
            "AzureWebJobsStorage__credential": "managedidentity",
            "AzureWebJobsStorage__clientId": site.client_id,
            "AzureOpenAI__credential": "managedidentity",
            "AzureOpenAI__clientId": site.client_id,
            **settings,
        }
        site.put()
        site.hosts = self.run(self.sites.open_site(site.id))
        return site


@dataclass
class TestSite:
    """A function app; `settings`, `cors` and `python` reach it by `configure`."""

    __test__ = False

    azure: LocalAzure
    id: str
    identity_id: str
    container: str
    principal_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    settings: dict[str, str] = field(default_factory=dict[str, str])
    cors: dict[str, Any] = field(default_factory=dict[str, Any])
    python: str = ""
    hosts: SiteHosts = field(default_factory=lambda: SiteHosts("", ""))

    @property
    def name(self) -> str:
        return ids.name_of(self.id)

    @property
    def log(self) -> str:
        return (self.azure.home.logs / f"{self.name}.log").read_text()

    def wait_for_log(self, text: str) -> None:
        until(lambda: text in self.log, f"{text!r} in the log")

    @property
    def keys(self) -> Mapping[str, str]:
        return self.azure.do(lambda: self.azure.sites.host_keys(self.id))

    @property
    def functions(self) -> list[str]:
        return self.azure.do(lambda: self.azure.sites.functions(self.id))

    @property
    def host_status(self) -> Mapping[str, Any]:
        return self.azure.do(lambda: self.azure.sites.host_status(self.id))

    @property
    def state(self) -> dict[str, Any]:
        states = self.azure.do(self.azure.sites.states)
        return next(state for state in states if state["name"] == self.name)

    def put(self) -> None:
        storage = {
            "type": "blobContainer",
            "value": f"{self.azure.endpoints.blob}{self.container}",
            "authentication": {
                "type": "UserAssignedIdentity",
                "userAssignedIdentityResourceId": self.identity_id,
            },
        }
        app_settings = [{"name": name, "value": value} for name, value in self.settings.items()]
        self.azure.put(
            self.id,
            "Microsoft.Web/sites",
            identity={"type": "UserAssigned", "userAssignedIdentities": {self.identity_id: {}}},
            properties={
                "siteConfig": {"appSettings": app_settings, "cors": self.cors},
                "functionAppConfig": {
                    "runtime": {"name": "python", "version": self.python},
                    "deployment": {"storage": storage},
                },
            },
        )

    def configure(self) -> None:
        self.put()
        self.azure.run(self.azure.sites.configure_site(self.id))

    def delete(self) -> None:
        self.azure.run(self.azure.sites.delete_site(self.id))

    def publish(
        self,
        content: bytes,
        *,
        token: str | None = None,
        query: str = "RemoteBuild=false&Deployer=tests",
        kind: str = "application/zip",
    ) -> Answer:
        headers = {"Authorization": f"Bearer {token or self.azure.token()}", "Content-Type": kind}
        return send(self.azure.tls, self.hosts.scm, "POST", f"/api/publish?{query}", headers, content)

    def scm(self, target: str, token: str | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {token or self.azure.token()}"}
        return send(self.azure.tls, self.hosts.scm, "GET", target, headers)

    def outcome(self, published: Answer) -> dict[str, Any]:
        """The completed deployment."""
        assert published.status == 202, published
        target = f"/api/deployments/{published.json()}"
        wait_for(lambda: self.scm(target).json()["complete"], f"end of {target}", DEADLINE)
        return self.scm(target).json()

    def deploy(self, files: Mapping[str, str | bytes]) -> dict[str, Any]:
        return self.outcome(self.publish(package({"host.json": host_json(), **files})))

    def start(self, function_app: str, **files: str) -> "TestSite":
        """Configures the site and deploys code that has to work."""
        self.configure()
        outcome = self.deploy({"function_app.py": function_app, **files})
        assert outcome["status"] == 4, outcome
        return self

    def send(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        return send(self.azure.tls, self.hosts.default, method, target, headers or {}, body, **options)

    @contextmanager
    def connect(self) -> Generator[ssl.SSLSocket]:
        """A connection for what no HTTP client sends."""
        context = ssl.create_default_context(cafile=str(self.azure.tls.ca_file))
        host, port = self.hosts.default.split(":")
        with (
            socket.create_connection((host, int(port)), timeout=DEADLINE) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            yield connection


def send(  # noqa: PLR0917 # a request has these parts
    tls: certificates.Tls,
    address: str,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    chunked: bool = False,
) -> Answer:
    """The target goes out as it is written: no client cleans it up."""
    context = ssl.create_default_context(cafile=str(tls.ca_file))
    connection = http.client.HTTPSConnection(address, context=context, timeout=DEADLINE)
    try:
        content = iter([body]) if chunked and body is not None else body
        connection.request(method, target, content, dict(headers), encode_chunked=chunked)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()
