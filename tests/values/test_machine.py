from supcr_bench.values.machine import SAME_MACHINE, machine_of

ENVIRONMENT = {"cpu": "a", "cpus_usable": 4, "torch": "2.13", "threads": 3, "accelerators": []}


def test_alike_machines_have_one_name_whatever_else_differs() -> None:
    assert set(ENVIRONMENT) == set(SAME_MACHINE)
    other = {**dict(reversed(ENVIRONMENT.items())), "python": "3.12", "memory_bytes": 5}
    assert machine_of(ENVIRONMENT) == machine_of(other)


def test_each_fact_that_figures_hang_on_sets_machines_apart() -> None:
    names = {machine_of(ENVIRONMENT | {key: "another"}) for key in SAME_MACHINE}
    assert len(names | {machine_of(ENVIRONMENT)}) == len(SAME_MACHINE) + 1


def test_a_name_is_short_and_the_same_in_every_process() -> None:
    assert machine_of(ENVIRONMENT) == "6d0738"
    assert machine_of({}) == machine_of({"cpu": None})
