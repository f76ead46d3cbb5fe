"""The time of one call; in a file of its own, so that importing it does not import torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Elapsed:
    """The time of one call.

    Attributes:
        host_s: seconds on the host, from a synchronised start to a synchronised end.
        device_s: seconds between two events on the device, before the call's first operation and
            after its last, gaps in which the device waited for the host included; ``None`` where
            the device has no such events.
    """

    host_s: float
    device_s: float | None = None
