"""The routes, with the rule for ids in each that has one."""

from assistants import checks

ASSISTANTS = "assistants"
# A failing constraint is a 404 from the host, before the key is looked at and before any binding runs.
# `checks` says why the rule exists. For RUN it is the only check, since a binding runs before the code. Hence
# not `$`, which lets a final newline pass, and not the constraint's own IgnoreCase: U+212A is a k to it.
ASSISTANT = (
    f"{ASSISTANTS}/{{assistantId:maxlength({checks.MAX_ID_CHARACTERS}):regex(^(?-i:[A-Za-z0-9_-]+)\\z)}}"
)
MESSAGES = f"{ASSISTANT}/messages"
RUN = f"{ASSISTANT}/run"
