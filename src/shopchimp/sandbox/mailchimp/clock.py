"""Times as Mailchimp writes and reads them: ISO 8601 in whole seconds, UTC; empty where there is none."""

from datetime import UTC, datetime
from functools import lru_cache

from shopchimp.sandbox.mailchimp.wire import Problem, schema_problem


@lru_cache(maxsize=65_536)
def written(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat() if at else ""


@lru_cache(maxsize=65_536)
def parsed(text: str) -> int | None:
    """Seconds since 1970, or None where the text is no time. No zone means UTC."""
    try:
        # A `+` of the zone arrives as a space where a caller forgot to escape it.
        moment = datetime.fromisoformat(text.strip().replace(" 00:00", "+00:00"))
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def asked_time(query_value: str | None, name: str) -> int | None:
    """A time in the query string."""
    if query_value is None:
        return None
    at = parsed(query_value)
    if at is None:
        raise bad_time(name)
    return at


def bad_time(name: str) -> Problem:
    return schema_problem([(name, "This value should be a date and time in ISO 8601 format.")])
