"""The SCM site of a function app: `/api/publish` and `/api/deployments` of Flex Consumption (One Deploy)."""

import asyncio
import logging
import uuid
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from local_azure.core import ids
from local_azure.core.access import permits
from local_azure.core.store import Store
from local_azure.core.tokens import ARM_AUDIENCES, TokenError, Tokens
from local_azure.functions_host import deployments
from local_azure.functions_host.deployment_storage import InaccessibleStorageError
from local_azure.functions_host.deployments import Deployment, DeploymentList, Status, now

log = logging.getLogger(__name__)

PUBLISH_ACTION = "Microsoft.Web/sites/publish/action"
READ_ACTION = "Microsoft.Web/sites/deployments/read"
CONTENT_TYPE = "application/zip"
UPLOAD_LIMIT = 1024 * 1024 * 1024
_CHUNK = 1024 * 1024
_STOPPED = "Local Azure was stopped, or the site was deleted, during the deployment."


class Target(Protocol):
    """The site to which the endpoint deploys (`site.Site`)."""

    deployments: DeploymentList

    @property
    def active(self) -> str | None: ...
    async def stage(self, deployment_id: str, package: Path) -> None: ...
    async def deploy(self, deployment: Deployment, package: Path) -> Deployment: ...


class RequestError(Exception):
    """A request that gets an error response."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class PublishEndpoint:
    """The request handler of one SCM site."""

    def __init__(self, site_id: str, target: Target, store: Store, tokens: Tokens, incoming: Path) -> None:
        self._site_id = site_id
        self._site_name = ids.name_of(site_id)
        self._target = target
        self._store = store
        self._tokens = tokens
        self._incoming = incoming
        self._busy = False
        self._running: asyncio.Task[None] | None = None

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._dispatch(request)
        except RequestError as error:
            headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
            return web.Response(status=error.status, text=str(error), headers=headers)

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.rstrip("/")
        if path == "/api/publish":
            if request.method != "POST":
                raise RequestError(405, f"/api/publish takes POST, not {request.method}.")
            self._authorise(request, PUBLISH_ACTION)
            return await self._publish(request)
        if path == "/api/deployments" or path.startswith("/api/deployments/"):
            if request.method != "GET":
                raise RequestError(405, f"{path} takes GET, not {request.method}.")
            self._authorise(request, READ_ACTION)
            return self._deployments(path.removeprefix("/api/deployments").strip("/"), request)
        raise RequestError(404, f"{path} does not exist: this site has /api/publish and /api/deployments.")

    def _authorise(self, request: web.BaseRequest, action: str) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise RequestError(401, "A bearer token for https://management.azure.com/ is required.")
        try:
            principal = self._tokens.verify(token.strip(), ARM_AUDIENCES)
        except TokenError as error:
            raise RequestError(401, f"The access token is invalid: {error}.") from error
        if not permits(self._store, principal, self._site_id, action=action):
            raise RequestError(
                403,
                f"The client '{principal}' does not have authorization to perform action '{action}' over "
                f"scope '{self._site_id}'. Website Contributor, Contributor and Owner may.",
            )

    def _deployments(self, path: str, request: web.BaseRequest) -> web.Response:
        def to_json(deployment: Deployment) -> dict[str, Any]:
            scm_url = f"https://{request.host}"
            return deployments.to_json(deployment, self._site_name, self._target.active, scm_url)

        if not path:
            return web.json_response([to_json(listed) for listed in self._target.deployments.newest_first()])
        deployment_id, _, rest = path.partition("/")
        deployment = self._target.deployments.get(deployment_id)
        if deployment is None or rest not in ("", "log"):
            raise RequestError(404, f"Deployment '{path}' of this site does not exist.")
        if rest == "log":
            entry = {
                "log_time": deployment.end_time or deployment.received_time,
                "id": deployment.id,
                "type": 0,
                "message": deployment.status_text or deployment.status.name.capitalize(),
                "details_url": None,
            }
            return web.json_response([entry])
        return web.json_response(to_json(deployment))

    async def _publish(self, request: web.BaseRequest) -> web.Response:
        if request.content_type != CONTENT_TYPE:
            raise RequestError(415, f"Content-Type is {request.content_type}, but must be {CONTENT_TYPE}.")
        if request.query.get("RemoteBuild", "false").lower() == "true":
            raise RequestError(
                400,
                "Local Azure has no remote build (Oryx): deploy with RemoteBuild=false and the dependencies "
                "in .python_packages/lib/site-packages, which Azure supports, too.",
            )
        if self._busy:
            raise RequestError(409, "Another deployment is in progress. Try again when it has completed.")
        self._busy = True
        deployment_id = str(uuid.uuid4())
        package = self._incoming / f"{deployment_id}.zip"
        try:
            await self._receive(request, package)
            await self._target.stage(deployment_id, package)
        except InaccessibleStorageError as error:
            self._end_deployment(package)
            raise RequestError(400, str(error)) from error
        except BaseException:
            self._end_deployment(package)
            raise
        pending = Deployment(deployment_id, request.query.get("Deployer", "N/A"), now())
        self._target.deployments.put(pending)
        self._running = asyncio.create_task(self._deploy(pending, package))
        return web.json_response(deployment_id, status=202)

    async def _receive(self, request: web.BaseRequest, package: Path) -> None:
        package.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        output = await asyncio.to_thread(package.open, "wb")
        try:
            async for chunk in request.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if size > UPLOAD_LIMIT:
                    raise RequestError(413, f"The package is larger than {UPLOAD_LIMIT} bytes.")
                await asyncio.to_thread(output.write, chunk)
        finally:
            await asyncio.to_thread(output.close)
        if not await asyncio.to_thread(zipfile.is_zipfile, package):
            raise RequestError(400, f"The body ({size} bytes) is not a zip file.")

    async def _deploy(self, pending: Deployment, package: Path) -> None:
        outcome = replace(pending, status=Status.CANCELLED, status_text=_STOPPED, end_time=now())
        try:
            outcome = await self._target.deploy(pending, package)
        finally:
            self._end_deployment(package)
            # Last: a client that reads the status may start the next deployment at once.
            self._target.deployments.put(outcome)

    def _end_deployment(self, package: Path) -> None:
        package.unlink(missing_ok=True)
        self._busy = False
