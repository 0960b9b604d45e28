"""The deployments of one site, which `GET /api/deployments` lists; they are kept across restarts."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, cast

from local_azure import whole_file

LIMIT = 20
"""Deployments that are kept; the oldest are removed."""


class Status(IntEnum):
    CANCELLED = -1
    PENDING = 0
    BUILDING = 1
    DEPLOYING = 2
    FAILED = 3
    SUCCESS = 4
    CONFLICT = 5
    PARTIAL = 6


@dataclass(frozen=True)
class Deployment:
    """Times are ISO 8601 in UTC."""

    id: str
    deployer: str
    received_time: str
    status: Status = Status.PENDING
    status_text: str = ""
    """The reason of a failure."""
    end_time: str | None = None

    @property
    def complete(self) -> bool:
        return self.status not in (Status.PENDING, Status.BUILDING, Status.DEPLOYING)


def now() -> str:
    return datetime.now(UTC).isoformat()


def to_json(deployment: Deployment, site: str, active: str | None, scm_url: str) -> dict[str, Any]:
    """Kudu's deployment resource; `active` is the id of the active deployment."""
    return {
        "id": deployment.id,
        "status": int(deployment.status),
        "status_text": deployment.status_text,
        "author_email": "N/A",
        "author": "N/A",
        "deployer": deployment.deployer,
        "message": "Deployment pushed to the publish endpoint",
        "progress": "",
        "received_time": deployment.received_time,
        "start_time": deployment.received_time,
        "end_time": deployment.end_time,
        "last_success_end_time": deployment.end_time if deployment.status is Status.SUCCESS else None,
        "complete": deployment.complete,
        "active": deployment.id == active,
        "is_temp": False,
        "is_readonly": True,
        "url": f"{scm_url}/api/deployments/{deployment.id}",
        "log_url": f"{scm_url}/api/deployments/{deployment.id}/log",
        "site_name": site,
    }


class DeploymentList:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._deployments: dict[str, Deployment] = {}
        if file.exists():
            for members in cast("list[dict[str, Any]]", json.loads(file.read_text())):
                members["status"] = Status(members["status"])
                deployment = Deployment(**members)
                if not deployment.complete:
                    reason = "Local Azure stopped during the deployment."
                    deployment = replace(deployment, status=Status.CANCELLED, status_text=reason)
                self._deployments[deployment.id] = deployment

    def get(self, deployment_id: str) -> Deployment | None:
        if deployment_id == "latest":
            return next(iter(self.newest_first()), None)
        return self._deployments.get(deployment_id)

    def newest_first(self) -> list[Deployment]:
        return list(reversed(self._deployments.values()))

    def put(self, deployment: Deployment) -> None:
        self._deployments[deployment.id] = deployment
        for old in list(self._deployments)[:-LIMIT]:
            del self._deployments[old]
        content = json.dumps([asdict(kept) for kept in self._deployments.values()])
        whole_file.write(self._file, content.encode(), 0o600)
