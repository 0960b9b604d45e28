"""The function app that the tests of the host and of the assistant bindings deploy."""

from local_azure.tests.functions_host.harness import LocalAzure, TestSite

SOURCE = r"""
import json, logging, os
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
ID = "assistants/{assistantId:maxlength(64):regex(^[A-Za-z0-9_-]+$)}"
STORAGE = {"chat_storage_connection_setting": "AzureWebJobsStorage", "collection_name": "ChatState"}
POST = {**STORAGE, "chat_model": "%CHAT_MODEL%", "ai_connection_name": "AzureOpenAI"}

@app.route(route="seen/{*rest}", methods=["GET", "POST"])
def Seen(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps({
            "method": req.method, "url": req.url, "params": dict(req.params), "route": dict(req.route_params),
            "headers": dict(req.headers), "body": req.get_body().decode("latin-1"), "pid": os.getpid(),
        }),
        mimetype="application/json",
    )

@app.route(route="any")
def Any(req: func.HttpRequest) -> str:
    return "any"

@app.route(route="keyed", auth_level=func.AuthLevel.FUNCTION)
def Keyed(req: func.HttpRequest) -> str:
    return "open"

@app.route(route="off")
def Off(req: func.HttpRequest) -> str:
    return "never"

@app.route(route="fails")
def Fails(req: func.HttpRequest) -> str:
    raise ValueError("a secret of the handler")

@app.route(route="misnamed")
@app.generic_output_binding(arg_name="my__requests", type="assistantCreate")
def Misnamed(req: func.HttpRequest, my__requests: func.Out[str]) -> str:
    return "never"

@app.route(route=ID, methods=["PUT"])
@app.assistant_create_output(arg_name="requests")
def Create(req: func.HttpRequest, requests: func.Out[str]) -> func.HttpResponse:
    requests.set(json.dumps({
        "id": req.route_params["assistantId"], "chatStorageConnectionSetting": "AzureWebJobsStorage",
        "collectionName": "ChatState", "instructions": "Be nice",
    }))
    return func.HttpResponse(status_code=202)

@app.route(route="raw", methods=["POST"])
@app.assistant_create_output(arg_name="requests")
def Raw(req: func.HttpRequest, requests: func.Out[str]) -> func.HttpResponse:
    requests.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)

@app.route(route=ID, methods=["POST"])
@app.assistant_post_input(arg_name="state", id="{assistantId}", user_message="{Query.message}", **POST)
def Post(req: func.HttpRequest, state: str) -> func.HttpResponse:
    logging.info("handler of Post runs")
    return func.HttpResponse(state, mimetype="application/json")

@app.route(route=ID, methods=["GET"])
@app.assistant_query_input(
    arg_name="state", id="{assistantId}", timestamp_utc="{Query.timestampUTC}", **STORAGE)
def Query(req: func.HttpRequest, state: bytes) -> func.HttpResponse:
    return func.HttpResponse(json.dumps([type(state).__name__, state]), mimetype="application/json")

@app.route(route="body/{assistantId}", methods=["POST"])
@app.assistant_post_input(
    arg_name="state", id="{assistantId}", user_message="{message}", is_reasoning_model=True, **POST)
def FromBody(req: func.HttpRequest, state: str) -> func.HttpResponse:
    return func.HttpResponse(state)

@app.assistant_skill_trigger(arg_name="task", function_description="Create a to-do", function_name="AddTodo")
def RememberTask(task: str) -> None:
    if task == "fail":
        raise ValueError("a skill that fails")
    logging.info("remembered %r", task)

@app.assistant_skill_trigger(arg_name="what", function_description="Give things back")
def Give(what: str):
    return {"dict": {"a": 1}}.get(what, what)

@app.assistant_skill_trigger(arg_name="x", function_description="Never")
def Silent(x: str) -> str:
    return "never"
"""


def new_site(azure: LocalAzure, model_endpoint: str, source: str = SOURCE) -> TestSite:
    """A site that runs the app; one of its routes and one of its skills are disabled."""
    site = azure.new_site(
        AzureOpenAI__endpoint=model_endpoint,
        CHAT_MODEL="chat",
        # One thread: a post that kept it while its skills ran would never end.
        PYTHON_THREADPOOL_THREAD_COUNT="1",
        AzureWebJobs_Off_Disabled="true",
        AzureWebJobs_Silent_Disabled="true",
    )
    site.cors = {"allowedOrigins": ["https://a.example"]}
    return site.start(source)
