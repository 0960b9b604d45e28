"""The Functions host's entry point: the routes of the assistants API."""

import azure.functions as func
import skills
from assistants import chat, create, health, openapi, post, read, remove, retention
from assistants.settings import current
from assistants.storage import tables

settings = current()
app = func.FunctionApp(http_auth_level=settings.http_auth_level)
app.register_functions(create.blueprint(settings, tables()))
app.register_functions(post.blueprint(settings, tables()))
app.register_functions(read.blueprint(settings, tables()))
app.register_functions(remove.blueprint(tables()))
app.register_functions(retention.blueprint(settings, tables()))
app.register_functions(health.blueprint())
app.register_functions(openapi.blueprint(settings))
app.register_functions(chat.blueprint(settings.chat_page))
for blueprint in skills.blueprints():
    app.register_functions(blueprint)
