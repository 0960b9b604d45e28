"""Entry point for the Functions host: registers the functions of the assistants API and the skills."""

import azure.functions as func
import skills
from assistants.routes import chat, create, health, openapi, post, read, remove
from assistants.settings import Settings, SettingsError, current
from assistants.tables.clients import current_tables


def assistants_app(settings: Settings) -> func.FunctionApp:
    functions = func.FunctionApp(http_auth_level=settings.http_auth_level)
    tables = current_tables()
    for route in (create, post, read, remove):
        functions.register_functions(route.blueprint(settings, tables))
    functions.register_functions(health.blueprint())
    functions.register_functions(openapi.blueprint(settings))
    functions.register_functions(chat.blueprint(settings.chat_page))
    for blueprint in skills.blueprints():
        functions.register_functions(blueprint)
    return functions


def unhealthy_app(error: SettingsError) -> func.FunctionApp:
    """Only the health endpoint, which reports the wrong app settings."""
    functions = func.FunctionApp()
    functions.register_functions(health.blueprint(problems=error.problems))
    return functions


try:
    app = assistants_app(current())
except SettingsError as error:
    app = unhealthy_app(error)
