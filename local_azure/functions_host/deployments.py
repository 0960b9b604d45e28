"""Deployments of one site: what `GET /api/deployments/<id>` tells, kept across restarts."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, cast

KEPT = 20


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
    """Why it failed."""
    end_time: str | None = None

    @property
    def complete(self) -> bool:
        return self.status not in (Status.PENDING, Status.BUILDING, Status.DEPLOYING)


def now() -> str:
    return datetime.now(UTC).isoformat()


def shown(deployment: Deployment, site: str, active: str | None, base: str) -> dict[str, Any]:
    """The JSON of Kudu's deployment resource; `base` is the URL of the SCM site."""
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
        "url": f"{base}/api/deployments/{deployment.id}",
        "log_url": f"{base}/api/deployments/{deployment.id}/log",
        "site_name": site,
    }


class DeploymentList:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._deployments: dict[str, Deployment] = {}
        if file.exists():
            for one in cast("list[dict[str, Any]]", json.loads(file.read_text())):
                one["status"] = Status(one["status"])
                found = Deployment(**one)
                if not found.complete:
                    stopped = "Local Azure stopped in the middle of the deployment."
                    found = replace(found, status=Status.CANCELLED, status_text=stopped)
                self._deployments[found.id] = found

    def get(self, deployment_id: str) -> Deployment | None:
        if deployment_id == "latest":
            return next(iter(self.newest_first()), None)
        return self._deployments.get(deployment_id)

    def newest_first(self) -> list[Deployment]:
        return list(reversed(self._deployments.values()))

    def put(self, deployment: Deployment) -> None:
        self._deployments[deployment.id] = deployment
        for old in list(self._deployments)[:-KEPT]:
            del self._deployments[old]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_name(self._file.name + ".tmp")
        temporary.write_text(json.dumps([asdict(one) for one in self._deployments.values()]))
        temporary.replace(self._file)
