"""The store under random events: sequences of ``make store-study`` that have every event."""

from pathlib import Path

import pytest

from tests.forked.start import Servers
from tests.studies.store_under_fire import UnderFire

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [33, 64, 104])
def test_nothing_is_lost_doubled_or_mixed(servers: Servers, tmp_path: Path, seed: int) -> None:
    UnderFire(servers, tmp_path.resolve(), seed, events=5).all()
