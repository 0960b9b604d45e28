"""How Azure OpenAI says no: its own errors in front of a model, and the model's.

The texts are those that people quote in issues; where the service's own is not known, local Azure's says
what is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CHAT_ACTION = "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action"
NO_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
    "for an active subscription and use a correct regional API endpoint for your resource."
)


@dataclass(frozen=True)
class Refusal:
    """An answer other than a completion. `error` is the member of that name in the body."""

    status: int
    error: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class RefusedError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.error["message"])
        self.refusal = refusal


def refused(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """An error of the service in front of the model."""
    return Refusal(status, {"code": code, "message": message}, headers or {})


def invalid(message: str, param: str | None, code: str | None) -> Refusal:
    """The model's own 400."""
    return Refusal(400, {"message": message, "type": "invalid_request_error", "param": param, "code": code})


NOT_FOUND = refused(404, "404", "Resource not found")
DEPLOYMENT_NOT_FOUND = refused(
    404,
    "DeploymentNotFound",
    "The API deployment for this resource does not exist. If you created the deployment within the last "
    "5 minutes, please wait a moment and try again.",
)
KEYS_OFF = refused(
    403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource."
)
WRONG_KEY = refused(401, "401", NO_KEY)
NO_NETWORK = refused(403, "AccessDenied", "Public access is disabled. Please configure private endpoint.")
NOT_JSON = invalid(
    "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload, but what was "
    "sent was not valid JSON.",
    None,
    None,
)


def bad_token(reason: str) -> Refusal:
    return refused(
        401,
        "Unauthorized",
        "Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), "
        f"or have expired. ({reason})",
    )


def no_role(principal_id: str) -> Refusal:
    """401, not 403 (microsoft/semantic-kernel#10020)."""
    return refused(
        401,
        "PermissionDenied",
        f"The principal `{principal_id}` lacks the required data action `{CHAT_ACTION}` to perform "
        "`POST /openai/deployments/{deployment-id}/chat/completions` operation.",
    )


def retired(model: str, day: str) -> Refusal:
    return refused(410, "410", f"The model '{model}' of this deployment was retired on {day}.")


def no_chat(model: str) -> Refusal:
    return refused(
        400,
        "OperationNotSupported",
        f"The chatCompletion operation does not work with the specified model, {model}. Please choose "
        "different model and try again. You can learn more about which models can be used with each "
        "operation here: https://go.microsoft.com/fwlink/?linkid=2197993.",
    )


def throttled(kind: str, api_version: str, seconds: int, headers: Mapping[str, str]) -> Refusal:
    """`kind` is `token` or `call`."""
    return refused(
        429,
        "429",
        f"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version {api_version} have "
        f"exceeded {kind} rate limit of your current OpenAI S0 pricing tier. Please retry after {seconds} "
        f"second{'' if seconds == 1 else 's'}. Please go here: https://aka.ms/oai/quotaincrease if you would "
        "like to further increase the default rate limit.",
        {"Retry-After": str(seconds), "retry-after-ms": str(seconds * 1000), **headers},
    )


def not_here(what: str, param: str) -> Refusal:
    """For what Azure does and this stand-in does not."""
    return invalid(
        f"Local Azure's stand-in model does not {what}. `python -m local_azure model use URL` sends requests "
        "to a real model, `model script FILE` gives exact answers.",
        param,
        "local_azure_limit",
    )
