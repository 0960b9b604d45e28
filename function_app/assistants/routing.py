"""The routes, with the rule for ids in each that has one."""

from assistants import checks

ASSISTANTS = "assistants"
# A failing constraint is a 404 from the host, before the key is looked at and before any binding runs.
# `checks` says why the rule exists. A binding runs before its code, so that for
# RUN this is the only check. Hence not `$`, which lets a final newline pass, and not the constraint's own
# IgnoreCase, by which the KELVIN SIGN is a k.
ASSISTANT = (
    f"{ASSISTANTS}/{{assistantId:maxlength({checks.MAX_ID_CHARACTERS}):regex(^(?-i:[A-Za-z0-9_-]+)\\z)}}"
)
MESSAGES = f"{ASSISTANT}/messages"
RUN = f"{ASSISTANT}/run"
