"""The error responses of Azure OpenAI: those of its gateway, and those of a model.

The texts are those that people quote in issues. Where the service's own text is not known, local Azure's text
names the problem.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ErrorResponse:
    """`error` is the member of that name in the body."""

    status: int
    error: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class RequestError(Exception):
    """A chat request that gets an error response."""

    def __init__(self, response: ErrorResponse) -> None:
        super().__init__(response.error["message"])
        self.response = response


def gateway_error(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> RequestError:
    """An error of the gateway in front of the models."""
    return RequestError(ErrorResponse(status, {"code": code, "message": message}, headers or {}))


def invalid_request(message: str, param: str | None, code: str | None = None) -> RequestError:
    """The 400 of the model itself."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return RequestError(ErrorResponse(400, error))


def resource_not_found() -> RequestError:
    return gateway_error(404, "404", "Resource not found")


def deployment_not_found() -> RequestError:
    return gateway_error(
        404,
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment within the last "
        "5 minutes, please wait a moment and try again.",
    )
