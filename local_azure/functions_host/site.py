"""A function app: its sockets, its publish endpoint and its host process."""

import asyncio
import logging
import shutil
import socket
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

import local_azure
from local_azure import whole_file
from local_azure.core import ids
from local_azure.core.store import Resource, Store
from local_azure.core.tokens import Tokens
from local_azure.dataplane import SiteHosts
from local_azure.functions_host import (
    deployment_storage,
    environment,
    host_config,
    keys,
    pythons,
    status,
    zip_package,
)
from local_azure.functions_host.cors import Cors
from local_azure.functions_host.deployment_storage import (
    RELEASED_PACKAGE,
    DeploymentStorage,
    InaccessibleStorageError,
)
from local_azure.functions_host.deployments import Deployment, DeploymentList, Status, now
from local_azure.functions_host.host_config import HostConfig
from local_azure.functions_host.keys import HostKeys
from local_azure.functions_host.publish import PublishEndpoint
from local_azure.functions_host.status import HostRecord
from local_azure.functions_host.zip_package import PackageError
from local_azure.home import Home
from local_azure.loopback import without_proxy
from local_azure.runtime.ports import ADDRESS, Ports
from local_azure.runtime.processes import Command, ProcessError, Supervised
from local_azure.runtime.tls import Tls

log = logging.getLogger(__name__)

T = TypeVar("T")

HOST_START_TIMEOUT = 150.0
"""Seconds for a host to start; indexing alone may take 120."""

_PROJECT = Path(local_azure.__file__).parents[1]


@dataclass(frozen=True)
class Platform:
    """The parts of local Azure that all sites use."""

    home: Home
    store: Store
    tokens: Tokens
    tls: Tls
    ports: Ports
    identity_endpoint: str


@dataclass(frozen=True)
class _Launch:
    """Everything a host process depends on: it is restarted only if this changes."""

    config: HostConfig
    environment: Mapping[str, str]


@dataclass(frozen=True)
class _Running:
    process: Supervised
    launch: _Launch
    status_file: Path


class Site:
    """Belongs to one event loop. Call `open` first; `stop` keeps the files, `delete` removes them."""

    def __init__(self, site_id: str, platform: Platform) -> None:
        self.id = site_id
        self.name = ids.name_of(site_id)
        self._platform = platform
        self._folder = platform.home.sites / self.name.lower()
        self._instance_id = uuid.uuid4().hex
        self._lock = asyncio.Lock()
        self._running: _Running | None = None
        self._starts = 0
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A daemon that was killed leaves these.
        self._runs_folder = self._folder / "run"
        shutil.rmtree(self._runs_folder, ignore_errors=True)
        shutil.rmtree(self._folder / "incoming", ignore_errors=True)
        self._runs_folder.mkdir()
        self._active_file = self._folder / "active"
        self._keys_file = self._folder / "keys.json"
        self.deployments = DeploymentList(self._folder / "deployments.json")
        self._socket: socket.socket = platform.ports.hold(self._port_name("site"))
        try:
            self._scm_socket = platform.ports.hold(self._port_name("scm"))
        except BaseException:
            self._socket.close()
            raise
        self.hosts = SiteHosts(_address(self._socket), _address(self._scm_socket))
        self._publish = PublishEndpoint(
            site_id, self, platform.store, platform.tokens, self._folder / "incoming"
        )
        self._scm = web.ServerRunner(web.Server(self._publish, access_log=None), shutdown_timeout=2)

    async def open(self) -> None:
        """Returns when the publish endpoint is ready."""
        await self._scm.setup()
        await web.SockSite(
            self._scm, self._scm_socket, ssl_context=self._platform.tls.server_context()
        ).start()

    async def configure(self) -> None:
        """Starts a host with the site's current settings, unless one with these settings runs."""
        async with self._lock:
            site = self._platform.store.require(self.id)
            deployment = self.active
            if deployment is not None and not self._code(deployment).is_dir():
                await self._restore(site, deployment)
            launch = await self._launch_plan(site, deployment)
            running = self._running
            if running is not None and running.launch == launch and running.process.alive:
                return
            await self._replace(await self._start(launch))

    async def stop(self) -> None:
        try:
            await self._publish.close()
            async with self._lock:
                await self._replace(None)
            await self._scm.cleanup()
        finally:
            self._socket.close()
            self._scm_socket.close()

    async def delete(self) -> None:
        await self.stop()
        for kind in ("site", "scm"):
            self._platform.ports.forget(self._port_name(kind))
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    @property
    def active(self) -> str | None:
        """Id of the active deployment, also while the host does not run."""
        try:
            return self._active_file.read_text().strip() or None
        except FileNotFoundError:
            return None

    @property
    def keys(self) -> HostKeys:
        return keys.load_or_create(self._keys_file)

    @property
    def record(self) -> HostRecord | None:
        return status.read(self._running.status_file) if self._running is not None else None

    @property
    def host_process(self) -> Supervised | None:
        return self._running.process if self._running is not None else None

    async def stage(self, deployment_id: str, package: Path) -> None:
        """Uploads the package to the deployment container. Raises InaccessibleStorageError."""
        await asyncio.to_thread(
            self._with_storage, lambda storage: storage.upload(_staged_blob(deployment_id), package)
        )

    async def deploy(self, deployment: Deployment, package: Path) -> Deployment:
        """Starts a host with the new code, which replaces the old one unless the package is broken.

        Returns the completed deployment.
        """
        self.deployments.put(replace(deployment, status=Status.DEPLOYING))
        try:
            problem = await self._deploy(deployment, package)
        except (PackageError, ProcessError, InaccessibleStorageError) as error:
            problem = str(error)
        except Exception as error:
            log.exception("Deployment %s of %s failed", deployment.id, self.name)
            problem = f"{type(error).__name__}: {error}"
        finally:
            await asyncio.to_thread(self._clean_up, deployment.id)
        notices = (self.deployments.get(deployment.id) or deployment).status_text
        outcome = Status.FAILED if problem else Status.SUCCESS
        return replace(deployment, status=outcome, status_text=problem or notices, end_time=now())

    async def _deploy(self, deployment: Deployment, package: Path) -> str | None:
        """The errors of the package, or None."""
        code = self._code(deployment.id)
        await asyncio.to_thread(zip_package.extract, package, code)
        async with self._lock:
            site = self._platform.store.require(self.id)
            launch = await self._launch_plan(site, deployment.id)
            # Clients that poll the deployment get the notices before the worker starts.
            notices = " ".join(launch.config.notices)
            self.deployments.put(replace(deployment, status=Status.DEPLOYING, status_text=notices))
            new = await self._start(launch)
            try:
                record = status.read(new.status_file)
                if record is None or not record.serving:
                    await new.process.stop()
                    errors = record.errors if record else ("The host ended while it started.",)
                    return "\n".join(["; ".join(errors), *launch.config.notices])
                await asyncio.to_thread(
                    self._with_storage, lambda storage: storage.upload(RELEASED_PACKAGE, package)
                )
                whole_file.write(self._active_file, deployment.id.encode(), 0o600)
            except BaseException:
                # It accepts requests already, and only this function can stop it.
                await new.process.stop()
                raise
            await self._replace(new)
        return None

    def _clean_up(self, deployment_id: str) -> None:
        active = self.active
        for folder in (self._folder / "code").glob("*"):
            if folder.name != active:
                shutil.rmtree(folder, ignore_errors=True)
        with suppress(InaccessibleStorageError):
            self._with_storage(lambda storage: storage.delete(_staged_blob(deployment_id)))

    async def _restore(self, site: Resource, deployment: str) -> None:
        """Downloads the package from the deployment container, as a new instance on Azure does."""
        package = self._folder / "incoming" / RELEASED_PACKAGE
        package.parent.mkdir(exist_ok=True)
        try:
            exists = await asyncio.to_thread(
                self._with_storage, lambda storage: storage.download(RELEASED_PACKAGE, package)
            )
            if exists:
                await asyncio.to_thread(zip_package.extract, package, self._code(deployment))
            else:
                log.error("%s: %s is not in the deployment container", site["name"], RELEASED_PACKAGE)
        except (InaccessibleStorageError, PackageError) as error:
            log.error(
                "%s: the package cannot be restored from the deployment container: %s", site["name"], error
            )
        finally:
            package.unlink(missing_ok=True)

    def _with_storage(self, use: Callable[[DeploymentStorage], T]) -> T:
        """Calls `use`, which blocks, with the deployment container. Raises InaccessibleStorageError."""
        platform = self._platform
        site = platform.store.require(self.id)
        storage = deployment_storage.connect(site, platform.store, platform.tokens, platform.tls.ca_file)
        with closing(storage):
            return use(storage)

    async def _launch_plan(self, site: Resource, deployment: str | None) -> _Launch:
        platform = self._platform
        code = self._code(deployment) if deployment else None
        version = environment.python_version(site)
        python, notice = await asyncio.to_thread(pythons.find_python, version, code)
        variables = environment.platform_variables(
            site,
            host_name=self.hosts.default,
            root=str(code or self._folder),
            identity_endpoint=platform.identity_endpoint,
            identity_header=platform.tokens.header_for(self.id),
        )
        variables |= {"WEBSITE_INSTANCE_ID": self._instance_id, **platform.tls.client_environment()}
        settings = {**environment.app_settings(site), **variables}
        # A proxy in the app settings cannot reach the services of local Azure on this machine.
        settings |= without_proxy(settings)
        keys.load_or_create(self._keys_file)
        config = HostConfig(
            site=self.name,
            socket=self._socket.fileno(),
            deployment=deployment,
            code=str(code) if code is not None and code.is_dir() else None,
            active_file=str(self._active_file),
            status_file="",
            keys_file=str(self._keys_file),
            certificate=str(platform.tls.certificate_file),
            certificate_key=str(platform.tls.key_file),
            python=python,
            notices=(notice,) if notice else (),
            cors=_cors(site),
        )
        return _Launch(config, settings)

    async def _start(self, launch: _Launch) -> _Running:
        """Returns when the host serves or has rejected its package. Raises ProcessError."""
        self._starts += 1
        status_file = self._runs_folder / f"{self._starts}.status.json"
        config_file = self._runs_folder / f"{self._starts}.json"
        host_config.write(config_file, replace(launch.config, status_file=str(status_file)))
        command = Command(
            name=f"site {self.name}",
            # -E and -s: app settings such as PYTHONPATH must not affect the host's Python.
            argv=(sys.executable, "-E", "-s", "-m", "local_azure.functions_host.host", str(config_file)),
            env=launch.environment,
            cwd=_PROJECT,
            log=self._platform.home.logs / f"{self.name.lower()}.log",
            pass_fds=(self._socket.fileno(),),
        )

        async def has_started(_pid: int) -> bool:
            return status.read(status_file) is not None

        return _Running(await Supervised.start(command, has_started, HOST_START_TIMEOUT), launch, status_file)

    async def _replace(self, new: _Running | None) -> None:
        old, self._running = self._running, new
        if old is not None:
            await old.process.stop()

    def _port_name(self, kind: str) -> str:
        return f"{kind} {self.name.lower()}"

    def _code(self, deployment: str) -> Path:
        return self._folder / "code" / deployment


def _staged_blob(deployment_id: str) -> str:
    return f"{deployment_id}.zip"


def _address(listener: socket.socket) -> str:
    return f"{ADDRESS}:{listener.getsockname()[1]}"


def _cors(site: Resource) -> Cors:
    config: dict[str, Any] = site.get("properties", {}).get("siteConfig") or {}
    cors: dict[str, Any] = config.get("cors") or {}
    return Cors(tuple(cors.get("allowedOrigins") or ()), bool(cors.get("supportCredentials")))
