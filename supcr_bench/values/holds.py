"""The verdict on a claim."""

from enum import StrEnum


class Holds(StrEnum):
    """The verdict on a claim."""

    YES = "holds"
    CONDITION = "holds with a condition"
    NO = "does not hold"
    UNDECIDED = "cannot tell here"
