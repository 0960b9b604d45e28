"""The SCM site of a function app: `/api/publish` and `/api/deployments` of Flex Consumption (One Deploy)."""

import asyncio
import uuid
import zipfile
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local_azure.core.access import permits
from local_azure.core.store import Store
from local_azure.core.tokens import ARM_AUDIENCES, TokenError, Tokens
from local_azure.functions_host.deployment_storage import InaccessibleStorageError

if TYPE_CHECKING:
    from local_azure.functions_host.site import Site

PUBLISH_ACTION = "Microsoft.Web/sites/publish/action"
READ_ACTION = "Microsoft.Web/sites/deployments/read"
CONTENT_TYPE = "application/zip"
UPLOAD_LIMIT = 1024 * 1024 * 1024


class Status(IntEnum):
    """Of Kudu, as far as local Azure sends them."""

    CANCELLED = -1
    PENDING = 0
    DEPLOYING = 2
    FAILED = 3
    SUCCESS = 4


def _now() -> str:
    return datetime.now(UTC).isoformat()


@dataclass(frozen=True)
class Deployment:
    """Times are ISO 8601 in UTC."""

    id: str
    deployer: str
    status: Status = Status.PENDING
    status_text: str = ""
    """The reason of a failure, or notices."""
    received_time: str = field(default_factory=_now)
    end_time: str | None = None

    def ended(self, status: Status, text: str) -> "Deployment":
        return replace(self, status=status, status_text=text, end_time=_now())

    def to_json(self, site: str, active: str | None) -> dict[str, Any]:
        """The members of Kudu's deployment that clients read; `active` is the id of the active deployment."""
        return {
            **asdict(self),
            "complete": self.end_time is not None,
            "active": self.id == active,
            "site_name": site,
        }


class PublishEndpoint:
    def __init__(self, site: "Site", store: Store, tokens: Tokens, incoming: Path) -> None:
        self._site = site
        self._store = store
        self._tokens = tokens
        self._incoming = incoming
        self._busy = False
        self._running: asyncio.Task[None] | None = None
        self.app = web.Application(client_max_size=UPLOAD_LIMIT)
        self.app.router.add_post("/api/publish", self._publish)
        self.app.router.add_get("/api/deployments", self._list)
        self.app.router.add_get("/api/deployments/{id}", self._get)
        self.app.router.add_get("/api/deployments/{id}/log", self._log)

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    def _authorise(self, request: web.Request, action: str) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        challenge = {"WWW-Authenticate": "Bearer"}
        if scheme.lower() != "bearer":
            text = "A bearer token for https://management.azure.com/ is required."
            raise web.HTTPUnauthorized(text=text, headers=challenge)
        try:
            principal = self._tokens.verify(token.strip(), ARM_AUDIENCES)
        except TokenError as error:
            text = f"The access token is invalid: {error}."
            raise web.HTTPUnauthorized(text=text, headers=challenge) from error
        if not permits(self._store, principal, self._site.id, action=action):
            raise web.HTTPForbidden(
                text=f"The client '{principal}' does not have authorization to perform action '{action}' "
                f"over scope '{self._site.id}'. Website Contributor, Contributor and Owner may."
            )

    async def _list(self, request: web.Request) -> web.Response:
        self._authorise(request, READ_ACTION)
        site = self._site
        newest_first = reversed(site.deployments.values())
        return web.json_response([deployment.to_json(site.name, site.active) for deployment in newest_first])

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self._named(request).to_json(self._site.name, self._site.active))

    async def _log(self, request: web.Request) -> web.Response:
        deployment = self._named(request)
        message = deployment.status_text or deployment.status.name.capitalize()
        log_time = deployment.end_time or deployment.received_time
        return web.json_response([{"id": deployment.id, "log_time": log_time, "message": message}])

    def _named(self, request: web.Request) -> Deployment:
        self._authorise(request, READ_ACTION)
        deployment_id = request.match_info["id"]
        deployment = self._site.deployments.get(deployment_id)
        if deployment is None:
            raise web.HTTPNotFound(text=f"Deployment '{deployment_id}' of this site does not exist.")
        return deployment

    async def _publish(self, request: web.Request) -> web.Response:
        self._authorise(request, PUBLISH_ACTION)
        if request.content_type != CONTENT_TYPE:
            raise web.HTTPUnsupportedMediaType(
                text=f"Content-Type is {request.content_type}, but must be {CONTENT_TYPE}."
            )
        if request.query.get("RemoteBuild", "false").lower() == "true":
            raise web.HTTPBadRequest(
                text="Local Azure has no remote build (Oryx): deploy with RemoteBuild=false and the "
                "dependencies in .python_packages/lib/site-packages, which Azure supports, too."
            )
        if self._busy:
            raise web.HTTPConflict(text="Another deployment is in progress. Try again when it has completed.")
        self._busy = True
        pending = Deployment(str(uuid.uuid4()), request.query.get("Deployer", "N/A"))
        package = self._incoming / f"{pending.id}.zip"
        try:
            package.parent.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(package.write_bytes, await request.read())
            if not await asyncio.to_thread(zipfile.is_zipfile, package):
                raise web.HTTPBadRequest(text="The body is not a zip file.")
            await self._site.stage(pending.id, package)
        except BaseException as error:
            self._end_deployment(package)
            if isinstance(error, InaccessibleStorageError):
                raise web.HTTPBadRequest(text=str(error)) from error
            raise
        self._site.deployments[pending.id] = pending
        self._running = asyncio.create_task(self._deploy(pending, package))
        return web.json_response(pending.id, status=202)

    async def _deploy(self, pending: Deployment, package: Path) -> None:
        stopped = "Local Azure was stopped, or the site was deleted, during the deployment."
        outcome = pending.ended(Status.CANCELLED, stopped)
        try:
            outcome = await self._site.deploy(pending, package)
        finally:
            self._end_deployment(package)
            # Last: a client that reads the status may start the next deployment at once.
            self._site.deployments[outcome.id] = outcome

    def _end_deployment(self, package: Path) -> None:
        package.unlink(missing_ok=True)
        self._busy = False
