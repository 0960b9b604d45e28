"""The routes, with the rule for ids in each that has one."""

from assistants import checks

ASSISTANTS = "assistants"
# A failing constraint is a 404 from the host, before the key is looked at and before any binding runs.
# `checks` says why the rule exists.
ASSISTANT = f"{ASSISTANTS}/{{assistantId:maxlength({checks.MAX_ID_CHARACTERS}):regex(^[A-Za-z0-9_-]+$)}}"
MESSAGES = f"{ASSISTANT}/messages"
RUN = f"{ASSISTANT}/run"
