"""The Functions host's entry point: the routes of the assistants API."""

import azure.functions as func
import skills
from assistants.routes import chat, create, health, openapi, post, read, remove, timer
from assistants.settings import Settings, SettingsError, current
from assistants.tables.clients import current_tables


def assistants_app(settings: Settings) -> func.FunctionApp:
    functions = func.FunctionApp(http_auth_level=settings.http_auth_level)
    functions.register_functions(create.blueprint(settings, current_tables()))
    functions.register_functions(post.blueprint(settings, current_tables()))
    functions.register_functions(read.blueprint(settings, current_tables()))
    functions.register_functions(remove.blueprint(current_tables()))
    functions.register_functions(timer.blueprint(settings, current_tables()))
    functions.register_functions(health.blueprint())
    functions.register_functions(openapi.blueprint(settings))
    functions.register_functions(chat.blueprint(settings.chat_page))
    for blueprint in skills.blueprints():
        functions.register_functions(blueprint)
    return functions


def unhealthy_app(error: SettingsError) -> func.FunctionApp:
    """Health alone, which says what is wrong."""
    functions = func.FunctionApp()
    functions.register_functions(health.blueprint(problems=error.problems))
    return functions


try:
    app = assistants_app(current())
except SettingsError as error:
    app = unhealthy_app(error)
