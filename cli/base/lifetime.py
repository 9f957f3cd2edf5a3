"""The expiry of environments: dates, and nothing else. `sweep` destroys what has expired.

Days are whole and in UTC, so that two runs on one day say the same. A branch's environment lives for
some days from its last use; `extend` sets another date, which its use never brings nearer.
"""

import re
from datetime import UTC, date, datetime, timedelta

from cli.base.errors import UserError

NEVER = "never"
DAYS = 3
"""From its last use, unless somebody says otherwise."""

MOST_DAYS = 3650


def instant(text: str) -> datetime:
    """A moment as Pulumi and AWS write it: without a zone it is UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def after(lifetime: str, day: date) -> str:
    """The date that is a lifetime (`3`, `never`) after `day`."""
    if lifetime == NEVER:
        return NEVER
    if not re.fullmatch(r"[0-9]{1,4}", lifetime) or not 0 < int(lifetime) <= MOST_DAYS:
        raise UserError(
            f'"{lifetime}" is no lifetime',
            f"It is a number of days, 1 to {MOST_DAYS}, or `{NEVER}`.",
        )
    return (day + timedelta(days=int(lifetime))).isoformat()


def until(text: str, day: date) -> str:
    """A date that somebody typed, not before `day`; or `never`."""
    if text == NEVER:
        return NEVER
    try:
        wanted = date.fromisoformat(text)
    except ValueError as error:
        raise UserError(
            f'"{text}" is no date', f"A date is written as {day.isoformat()}; or `{NEVER}`."
        ) from error
    if wanted < day:
        raise UserError(
            f"{text} is past",
            f"It is the last day that the environment is kept: {day.isoformat()} or later, or `{NEVER}`.\n"
            "One that nobody needs any more is destroyed by its name; these exist:",
            "./aerodrome list",
        )
    return wanted.isoformat()


def kept(expires: str, day: date) -> str:
    """The date after a use on `day`: some days on, but never earlier than it was."""
    if expires == NEVER:
        return NEVER
    wanted = after(str(DAYS), day)
    # The program takes a time of day too; the earlier text is the earlier date all the same.
    return wanted if day_of(expires) is None else max(expires, wanted)


def day_of(expires: str) -> date | None:
    """The day that an expiry names, with or without a time; None if it is no date."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T.*)?", expires):
        return None
    try:
        return date.fromisoformat(expires[:10])
    except ValueError:
        return None


def has_passed(expires: str, day: date) -> bool:
    """Whether the environment may be swept on `day`: not on the last day itself, and not where
    nobody can tell the day."""
    last = day_of(expires)
    return last is not None and last < day
