"""The Functions host's entry point: the routes of the assistants API."""

import azure.functions as func
from assistants import create, health
from assistants.settings import load

settings = load()
app = func.FunctionApp(http_auth_level=settings.http_auth_level)
app.register_functions(create.blueprint(settings))
app.register_functions(health.blueprint())
