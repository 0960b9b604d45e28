"""The error responses of Azure OpenAI: those of its gateway, and those of a model.

The texts are those that people quote in issues. Where the service's own text is not known, local Azure's text
names the problem.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CHAT_ACTION = "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action"


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


def key_authentication_disabled() -> RequestError:
    return gateway_error(
        403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource."
    )


def invalid_key() -> RequestError:
    return gateway_error(
        401,
        "401",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid "
        "key for an active subscription and use a correct regional API endpoint for your resource.",
    )


def public_access_disabled() -> RequestError:
    return gateway_error(403, "AccessDenied", "Public access is disabled. Please configure private endpoint.")


def invalid_token(reason: str) -> RequestError:
    return gateway_error(
        401,
        "Unauthorized",
        "Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), "
        f"or have expired. ({reason})",
    )


def permission_denied(principal_id: str) -> RequestError:
    """401, not 403 (microsoft/semantic-kernel#10020)."""
    return gateway_error(
        401,
        "PermissionDenied",
        f"The principal `{principal_id}` lacks the required data action `{CHAT_ACTION}` to perform "
        "`POST /openai/deployments/{deployment-id}/chat/completions` operation.",
    )


def model_retired(model: str, day: str) -> RequestError:
    return gateway_error(410, "410", f"The model '{model}' of this deployment was retired on {day}.")


def chat_not_supported(model: str) -> RequestError:
    return gateway_error(
        400,
        "OperationNotSupported",
        f"The chatCompletion operation does not work with the specified model, {model}. Please choose "
        "different model and try again. You can learn more about which models can be used with each "
        "operation here: https://go.microsoft.com/fwlink/?linkid=2197993.",
    )


def rate_limited(limit: str, api_version: str, seconds: int, headers: Mapping[str, str]) -> RequestError:
    """`limit` is `token` or `call`."""
    return gateway_error(
        429,
        "429",
        f"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version {api_version} have "
        f"exceeded {limit} rate limit of your current OpenAI S0 pricing tier. Please retry after {seconds} "
        f"second{'' if seconds == 1 else 's'}. Please go here: https://aka.ms/oai/quotaincrease if you would "
        "like to further increase the default rate limit.",
        {"Retry-After": str(seconds), "retry-after-ms": str(seconds * 1000), **headers},
    )


def not_supported_by_stand_in(feature: str, param: str) -> RequestError:
    """For a feature of Azure OpenAI that local Azure lacks."""
    return invalid_request(
        f"Local Azure's stand-in model does not {feature}. `python -m local_azure model use URL` sends "
        "requests to a real model, `model script FILE` gives exact answers.",
        param,
        "local_azure_limit",
    )
