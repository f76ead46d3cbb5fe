from dataclasses import replace

from supcr_bench.values.case import Case, Workload
from supcr_bench.values.cell import Account, Arm, Cell, new_session

FORWARD, TRAINING = Arm("one", "forward"), Arm("one", "training")
OTHER = Arm("two", "forward")
CELL = Cell(Workload(batch_size=8, nan_density=None), (FORWARD, TRAINING, OTHER), "first")


def test_a_cell_without_what_is_done_is_a_new_session_of_the_rest() -> None:
    rest = CELL.without({TRAINING}, "second")
    assert rest.arms == (FORWARD, OTHER)
    assert rest.session == "second"
    assert rest.workload == CELL.workload
    assert rest.timed


def test_what_is_left_of_an_untimed_cell_is_untimed() -> None:
    assert not replace(CELL, timed=False).without({TRAINING}, "second").timed


def test_the_case_of_an_arm_has_its_pass() -> None:
    assert CELL.case(TRAINING) == Case.of(CELL.workload, "training")


def test_an_arm_describes_itself_in_two_words() -> None:
    assert TRAINING.describe() == "one training"


def test_sessions_are_told_apart() -> None:
    assert len({new_session() for _ in range(100)}) == 100


def test_accounts_add_up_field_by_field() -> None:
    total = Account(inputs_s=1.0, calls_s=2.0) + Account(reference_s=0.5, calls_s=1.0)
    assert total == Account(inputs_s=1.0, reference_s=0.5, calls_s=3.0)
    assert total.total_s == 4.5
