"""Runs one function: input bindings, then the handler, then outputs, as WorkerFunctionInvoker does."""

import asyncio
import base64
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from local_azure.functions_host import input_binding
from local_azure.functions_host.binding_data import BindingData
from local_azure.functions_host.bindings import dotnet
from local_azure.functions_host.bindings.assistant_service import AssistantService
from local_azure.functions_host.function_table import Function
from local_azure.functions_host.worker import Datum
from local_azure.functions_host.worker_process import WorkerProcess

WORKER_TIMEOUT = 20.0
"""Seconds that an invocation waits for a worker that is restarted."""


class InvocationError(Exception):
    """An invocation failed; the reason is in the log."""


class ClientDisconnectedError(Exception):
    """The client disconnected after the input bindings, before the function was called."""


class NotReadyError(Exception):
    """No worker was ready within WORKER_TIMEOUT."""


@dataclass(frozen=True)
class Invocation:
    """The value of the trigger, and what only an HTTP request has."""

    trigger: Datum
    data: Callable[[], BindingData] = dict
    client_disconnected: Callable[[], bool] = lambda: False


async def run(
    function: Function, invocation: Invocation, worker: WorkerProcess | None, assistants: AssistantService
) -> Datum | None:
    """The return value or HTTP response. Raises NotReadyError and InvocationError."""
    if worker is None or not await worker.wait_until_ready(WORKER_TIMEOUT):
        raise NotReadyError
    logger = logging.getLogger(f"Function.{function.name}")
    logger.info("Executing 'Functions.%s'", function.name)
    started = time.monotonic()
    try:
        inputs = await _inputs(function, invocation.data, assistants) if function.inputs else {}
        if invocation.client_disconnected():
            raise ClientDisconnectedError("the client disconnected before the function was called")
        inputs[function.trigger.parameter] = invocation.trigger
        outputs = await worker.invoke(function.name, inputs)
        # The output bindings run before the response is sent, so that it is 500 if one fails.
        for output in (outputs[name] for name in function.outputs if name in outputs):
            await assistants.output(cast("Literal['string', 'json', 'bytes']", output.type), output.value)
    except Exception as error:  # the clients of the bindings may raise any
        logger.error("Executed 'Functions.%s' (Failed): %s: %s", function.name, type(error).__name__, error)
        raise InvocationError(str(error)) from error
    took = (time.monotonic() - started) * 1000
    logger.info("Executed 'Functions.%s' (Succeeded, Duration=%.0fms)", function.name, took)
    return outputs.get(function.response)


async def _inputs(
    function: Function, data: Callable[[], BindingData], assistants: AssistantService
) -> dict[str, Datum]:
    """Runs the input bindings concurrently, as the host does; if one fails, the others still complete."""
    binding_data = data()
    values = await asyncio.gather(
        *(input_binding.read(binding, assistants, binding_data) for binding in function.inputs),
        return_exceptions=True,
    )
    inputs: dict[str, Datum] = {}
    for binding, value in zip(function.inputs, values, strict=True):
        if isinstance(value, BaseException):
            raise value
        inputs[binding.name] = Datum(value, "string")
    return inputs


def returned_json(output: Datum | None) -> str | None:
    """The JSON that AssistantSkillManager makes of a return value with `JsonConvert.SerializeObject`.

    A `str` is encoded only here: azure.functions has no converter for assistantSkillTrigger, so worker and
    host pass it on as it is (GenericBinding.encode, GrpcMessageConversionExtensions.ToObject).
    """
    match output:
        case None:
            return None
        case Datum(text, "json"):
            return dotnet.newtonsoft(json.loads(text))
        case Datum(content, "bytes"):
            return dotnet.newtonsoft(base64.b64encode(content).decode())
        case Datum(value):
            return dotnet.newtonsoft(value)
