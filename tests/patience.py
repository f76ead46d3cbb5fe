"""Limits of verification that no busy machine comes to, and calls that need not be alike.

What a test asks is what is found, not how fast. Tests of hangs set limits of their own.
"""

from collections.abc import Callable

ENOUGH_S = 3600.0
HANGS_S = 600.0
"""No process or thread takes as long as this, unless it hangs."""
OTHER_WORK = {"WRITTEN_BYTES": 2**10, "ROWS": 2, "FEATURES": 2, "HIDDEN": 2}
"""Of what is done before each timed call: at its true size it takes longer than calls of tests."""


def grant_patience(set_attribute: Callable[[object, str, object], None] = setattr) -> None:
    """Raise every limit of time in this process; also called where test workers are forked."""
    from supcr_bench.measure import other_work
    from supcr_bench.verification import context, local_session, session

    for module in (local_session, session):
        set_attribute(module, "CHECK_LIMIT_S", ENOUGH_S)
    for name in ("SLOWEST_CALL_S", "BUDGET_S"):
        set_attribute(context, name, ENOUGH_S)
    set_attribute(session.Session, "total_limit_s", ENOUGH_S)
    for name, small in OTHER_WORK.items():
        set_attribute(other_work, name, small)
