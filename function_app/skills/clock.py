"""Tells the model the current time."""

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
    """`2026-11-25T09:00:00+01:00, a Wednesday, in Europe/Berlin`; UTC by default."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 # not needed by a cold start

    name = (timezone or "").strip() or "UTC"
    try:
        zone: tzinfo = UTC if name.upper() == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown zone, a path, or a name too long for a file
        return "There is no such time zone. Use a name of the IANA database, such as Europe/Berlin, or UTC."
    now = datetime.now(zone)
    return f"{now.isoformat(timespec='seconds')}, a {now:%A}, in {name}"
