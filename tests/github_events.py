"""Events as GitHub Actions writes them, cut down from GitHub's published schemas (octokit/webhooks)."""

from typing import Any

HEAD = "4f6d1d0b3c0a5c5b7f4a1c9d2e8b7a6c5d4e3f21"
FORK, BRANCH = "contributor/assistants", "shorter-answers"

EVENTS: dict[str, dict[str, Any]] = {
    "pull_request": {
        "action": "synchronize",
        "number": 7,
        "pull_request": {
            "number": 7,
            "state": "open",
            "head": {"ref": BRANCH, "sha": HEAD, "repo": {"full_name": "octo-org/assistants", "fork": False}},
        },
    },
    "workflow_run": {
        "action": "completed",
        "workflow_run": {
            "id": 5000,
            "run_attempt": 1,
            "event": "pull_request",
            "status": "completed",
            "conclusion": "success",
            "head_repository": {"full_name": FORK, "fork": True},
            "head_branch": BRANCH,
            "head_sha": HEAD,
            "pull_requests": [],
        },
    },
}
