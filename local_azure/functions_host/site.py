"""A function app: its sockets, its publish endpoint and its host process."""

import asyncio
import logging
import shutil
import socket
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Concatenate, ParamSpec

from aiohttp import web
from azure.storage.blob import ContainerClient

import local_azure
from local_azure import whole_file
from local_azure.core import ids
from local_azure.core.store import Resource, Store
from local_azure.core.tokens import Tokens
from local_azure.dataplane import SiteHosts
from local_azure.functions_host import (
    deployment_storage,
    environment,
    host_process,
    keys,
    package,
)
from local_azure.functions_host.deployment_storage import RELEASED_PACKAGE, InaccessibleStorageError
from local_azure.functions_host.host_process import HostConfig, HostRecord
from local_azure.functions_host.keys import HostKeys
from local_azure.functions_host.package import PackageError
from local_azure.functions_host.publish import Deployment, PublishEndpoint, Status
from local_azure.home import Home
from local_azure.loopback import without_proxy
from local_azure.runtime.ports import ADDRESS, Ports
from local_azure.runtime.processes import Command, ProcessError, Supervised
from local_azure.runtime.tls import Tls

log = logging.getLogger(__name__)

P = ParamSpec("P")

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
    config_file: Path


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
        self.deployments: dict[str, Deployment] = {}
        """By their id, in their order, since the start of the daemon."""
        self._socket: socket.socket = platform.ports.hold(self._port_name("site"))
        try:
            self._scm_socket = platform.ports.hold(self._port_name("scm"))
        except BaseException:
            self._socket.close()
            raise
        self.hosts = SiteHosts(_address(self._socket), _address(self._scm_socket))
        self._publish = PublishEndpoint(self, platform.store, platform.tokens, self._folder / "incoming")
        self._scm = web.AppRunner(self._publish.app, access_log=None, shutdown_timeout=2)

    async def open(self) -> None:
        """Returns when the publish endpoint is ready."""
        await self._scm.setup()
        await web.SockSite(
            self._scm, self._scm_socket, ssl_context=self._platform.tls.server_context()
        ).start()

    async def configure(self) -> None:
        """Starts a host with the site's current settings, unless one with these settings runs."""
        async with self._lock:
            launch = await self._launch_plan(self._platform.store.require(self.id), self.active)
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
    def record(self) -> HostRecord:
        running = self._running
        record = host_process.read_record(running.config_file) if running is not None else None
        return record or HostRecord(self.name)

    @property
    def host_process(self) -> Supervised | None:
        return self._running.process if self._running is not None else None

    async def stage(self, deployment_id: str, file: Path) -> None:
        """Uploads the package to the deployment container. Raises InaccessibleStorageError."""
        await self._use_storage(deployment_storage.upload, f"{deployment_id}.zip", file)

    async def deploy(self, deployment: Deployment, file: Path) -> Deployment:
        """Starts a host with the new code, which replaces the old one unless the package is broken.

        Returns the completed deployment.
        """
        self.deployments[deployment.id] = replace(deployment, status=Status.DEPLOYING)
        try:
            problem = await self._deploy(deployment, file)
        except (PackageError, ProcessError, InaccessibleStorageError) as error:
            problem = str(error)
        except Exception as error:
            log.exception("Deployment %s of %s failed", deployment.id, self.name)
            problem = f"{type(error).__name__}: {error}"
        finally:
            await self._clean_up(deployment.id)
        notices = self.deployments[deployment.id].status_text
        return deployment.ended(Status.FAILED if problem else Status.SUCCESS, problem or notices)

    async def _deploy(self, deployment: Deployment, file: Path) -> str | None:
        """The errors of the package, or None."""
        await asyncio.to_thread(package.extract, file, self._code(deployment.id))
        async with self._lock:
            launch = await self._launch_plan(self._platform.store.require(self.id), deployment.id)
            # Clients that poll the deployment get the notices before the worker starts.
            notices = " ".join(launch.config.notices)
            self.deployments[deployment.id] = replace(
                deployment, status=Status.DEPLOYING, status_text=notices
            )
            new = await self._start(launch)
            try:
                record = host_process.read_record(new.config_file)
                if record is None or not record.serving:
                    await new.process.stop()
                    errors = record.errors if record else ("The host ended while it started.",)
                    return "\n".join(["; ".join(errors), *launch.config.notices])
                await self._use_storage(deployment_storage.upload, RELEASED_PACKAGE, file)
                whole_file.write(self._active_file, deployment.id.encode(), 0o600)
            except BaseException:
                # It accepts requests already, and only this function can stop it.
                await new.process.stop()
                raise
            await self._replace(new)
        return None

    async def _clean_up(self, deployment_id: str) -> None:
        for folder in (self._folder / "code").glob("*"):
            if folder.name != self.active:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        with suppress(InaccessibleStorageError):
            await self._use_storage(deployment_storage.delete, f"{deployment_id}.zip")

    async def _use_storage(
        self, use: Callable[Concatenate[ContainerClient, P], None], *arguments: P.args, **options: P.kwargs
    ) -> None:
        """Calls `use` with the deployment container, in a thread. Raises InaccessibleStorageError."""
        platform = self._platform
        site = platform.store.require(self.id)
        container = deployment_storage.container(site, platform.store, platform.tokens, platform.tls.ca_file)

        def work() -> None:
            with container as client:
                use(client, *arguments, **options)

        await asyncio.to_thread(work)

    async def _launch_plan(self, site: Resource, deployment: str | None) -> _Launch:
        platform = self._platform
        code = self._code(deployment) if deployment else None
        version = environment.python_version(site)
        python, notice = await asyncio.to_thread(package.find_python, version, code)
        keys.load_or_create(self._keys_file)
        settings = {
            **environment.app_settings(site),
            **environment.platform_variables(
                site,
                host_name=self.hosts.default,
                root=str(code or self._folder),
                identity_endpoint=platform.identity_endpoint,
                identity_header=platform.tokens.header_for(self.id),
            ),
            "WEBSITE_INSTANCE_ID": self._instance_id,
            **platform.tls.client_environment(),
        }
        # A proxy in the app settings cannot reach the services of local Azure on this machine.
        settings |= without_proxy(settings)
        config = HostConfig(
            site=self.name,
            socket=self._socket.fileno(),
            deployment=deployment,
            code=str(code) if code is not None and code.is_dir() else None,
            active_file=str(self._active_file),
            keys_file=str(self._keys_file),
            certificate=str(platform.tls.certificate_file),
            certificate_key=str(platform.tls.key_file),
            python=python,
            notices=(notice,) if notice else (),
            cors=environment.cors(site),
        )
        return _Launch(config, settings)

    async def _start(self, launch: _Launch) -> _Running:
        """Returns when the host serves or has rejected its package. Raises ProcessError."""
        self._starts += 1
        config_file = self._runs_folder / f"{self._starts}.json"
        host_process.write_config(config_file, launch.config)
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
            return host_process.read_record(config_file) is not None

        return _Running(await Supervised.start(command, has_started, HOST_START_TIMEOUT), launch, config_file)

    async def _replace(self, new: _Running | None) -> None:
        old, self._running = self._running, new
        if old is not None:
            await old.process.stop()

    def _port_name(self, kind: str) -> str:
        return f"{kind} {self.name.lower()}"

    def _code(self, deployment: str) -> Path:
        return self._folder / "code" / deployment


def _address(listener: socket.socket) -> str:
    return f"{ADDRESS}:{listener.getsockname()[1]}"
