"""The time, which a model cannot know."""

from datetime import UTC, datetime, tzinfo

import azure.functions as func

skills = func.Blueprint()


@skills.function_name("GetCurrentTime")
@skills.assistant_skill_trigger(  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    arg_name="timezone",
    function_description=(
        "Get the current date, weekday and time in a time zone, named as in the IANA database"
        " (Europe/Berlin), or UTC"
    ),
)
def get_current_time(timezone: str) -> str:
    """`2026-11-25T09:00:00+01:00, a Wednesday, in Europe/Berlin`; UTC where no zone is named."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 # a start does not need it

    name = (timezone or "").strip() or "UTC"
    try:
        zone: tzinfo = UTC if name.upper() == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone, a name that is a path, or one too long for a file
        return "There is no such time zone. Ask for one of the IANA database, such as Europe/Berlin, or UTC."
    now = datetime.now(zone)
    return f"{now.isoformat(timespec='seconds')}, a {now:%A}, in {name}"
