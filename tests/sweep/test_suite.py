from pathlib import Path

import pytest

from supcr_bench.subjects.registry import COMPILED, registered
from supcr_bench.sweep.plan import make_plan
from supcr_bench.sweep.suite import (
    DEFAULT_AXES,
    Axes,
    Budgets,
    Suite,
    load_suite,
    read_axes,
    read_budgets,
    suite_names,
)
from supcr_bench.values.case import DTYPES
from supcr_bench.values.cell import Budget
from supcr_bench.values.errors import SuiteError, UnknownNameError

HEAD = 'purpose = "To see."\nimplementations = ["loopy"]\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("mine.toml")


def load(file: Path, body: str = "", head: str = HEAD) -> Suite:
    file.write_text(head + body)
    return load_suite(str(file))


def test_every_shipped_suite_loads_says_what_it_is_for_and_has_something_to_run() -> None:
    assert "quick" in suite_names()
    for name in suite_names():
        suite = load_suite(name)
        assert suite.name == name
        assert suite.purpose.endswith((".", "?"))
        assert {n.removesuffix(COMPILED) for n in suite.implementations} <= set(registered())
        assert make_plan(suite, suite.implementations)


def test_verification_is_left_out_unless_a_suite_asks_for_it(file: Path) -> None:
    assert not load(file).verify
    assert load(file, "verify = true\n").verify
    assert load_suite("default").verify


def test_the_gpu_suite_runs_on_cuda_alone_up_to_batches_of_thousands() -> None:
    suite = load_suite("gpu")
    workloads = [planned.workload for planned in make_plan(suite, suite.implementations)]
    assert {w.device for w in workloads} == {"cuda"}
    assert max(w.batch_size for w in workloads) == 16384


def test_the_precision_suite_crosses_every_dtype_with_temperatures_from_smooth_to_sharp() -> None:
    suite = load_suite("precision")
    workloads = [planned.workload for planned in make_plan(suite, suite.implementations)]
    assert {w.dtype for w in workloads} == set(DTYPES)
    temperatures = {w.temperature for w in workloads if w.temperature is not None}
    assert len(workloads) == len(DTYPES) * len(temperatures)
    assert max(temperatures) == 1
    assert min(temperatures) <= 0.02


def test_the_suite_of_the_gate_counts_at_rising_sizes_and_times_few_cells() -> None:
    suite = load_suite("ci")
    plan = make_plan(suite, suite.implementations)
    assert suite.verify
    assert {arm.pass_ for planned in plan for arm in planned.arms} == {"forward", "training"}
    assert any(p.workload.nan_density and p.workload.dims > 1 for p in plan)
    assert any(p.workload.labels == "tied" for p in plan)
    series: dict[object, int] = {}
    for planned in plan:
        series[planned.workload.series()] = series.get(planned.workload.series(), 0) + 1
    assert max(series.values()) >= 5  # fewer tell no growth laws apart
    timed = [arm for p in plan if p.timed for arm in p.arms]
    assert len(timed) == len(set(timed)) == 2 * len({arm.implementation for arm in timed})
    untimed = set(suite.implementations) - {arm.implementation for arm in timed}
    assert untimed == {"distributed"}  # alone it is scan, and ranks are counted only
    assert any(p.workload.ranks > 1 for p in plan)


def test_a_suite_of_ones_own_is_loaded_by_its_path(file: Path) -> None:
    suite = load(file, '[axes]\nbatch_size = [8, 16]\ndims = 2\n[budget]\ntime_limit = "2min"\n')
    assert suite.name == "mine"
    assert suite.axes.batch_size == (8, 16)
    assert suite.axes.dims == (2,)
    assert suite.budget.time_limit == 120.0
    assert load_suite(str(file.resolve())) == suite


def test_an_empty_suite_is_the_default_axes_once(file: Path) -> None:
    suite = load(file)
    assert suite.grids() == [DEFAULT_AXES]
    assert suite.definition is None
    assert suite.seed == 0


def test_the_default_budget_is_that_of_the_harness() -> None:
    budget, default = Budgets(), Budget()
    assert budget.time_limit == default.time_limit_s
    assert budget.sampling == default.sampling_s
    assert budget.precision == default.precision
    assert budget.memory_limit is default.memory_limit_bytes is None


def test_a_grid_takes_missing_axes_from_the_suite_and_then_from_the_defaults(file: Path) -> None:
    suite = load(
        file,
        "[axes]\ndims = 3\nnan_density = 0.2\n"
        '[[grid]]\nbatch_size = 16\n[[grid]]\nlabels = "tied"\ndims = [1, 2]\n',
    )
    first, second = suite.grids()
    assert (first.batch_size, first.dims, first.nan_density) == ((16,), (3,), (0.2,))
    assert (second.batch_size, second.dims, second.labels) == ((64,), (1, 2), ("tied",))
    assert first.temperature is second.temperature is None


def test_an_axis_from_the_command_line_replaces_it_in_every_grid(file: Path) -> None:
    suite = load(
        file, '[[grid]]\nbatch_size = 16\n[[grid]]\nbatch_size = 32\nlabels = "tied"\n'
    ).with_axes(read_axes({"batch_size": "8, 12"}))
    assert [g.batch_size for g in suite.grids()] == [(8, 12), (8, 12)]
    assert [g.labels for g in suite.grids()] == [("continuous",), ("tied",)]


def test_whether_a_grid_is_timed_is_its_own_or_its_suites_to_say(file: Path) -> None:
    body = "[axes]\ntimed = false\n[[grid]]\ndims = 1\n[[grid]]\ndims = 2\ntimed = true\n"
    suite = load(file, body)
    assert [g.timed for g in suite.grids()] == [False, True]
    assert [g.timed for g in suite.with_axes(Axes(batch_size=(8,))).grids()] == [False, True]
    assert [g.timed for g in load(file).grids()] == [True]


def test_grids_that_become_equal_are_one(file: Path) -> None:
    suite = load(file, "[[grid]]\nbatch_size = 16\n[[grid]]\nbatch_size = 32\n")
    assert len(suite.with_axes(Axes(batch_size=(8,))).grids()) == 1


def test_the_pass_axis_is_called_pass(file: Path) -> None:
    assert load(file, '[axes]\npass = "forward"\n').grids()[0].pass_ == ("forward",)
    assert read_axes({"pass": "forward,training"}).pass_ == ("forward", "training")


@pytest.mark.parametrize(
    ("body", "location", "fix"),
    [
        (
            "[axes]\nbatch = 4\n",
            "axes.batch",
            "unknown key 'batch'; known: batch_size, dims",
        ),
        ("[[grid]]\nsize = 4\n", "grid[0].size", "unknown key 'size'; known: batch_size"),
        ("[budget]\ntime = 4\n", "budget.time", "known: time_limit, memory_limit, sampling"),
        (
            "sed = 4\n",
            "sed",
            "known: purpose, implementations, definitions, definition, seed",
        ),
        ("[[grid]]\ntimed = 1\n", "grid[0].timed", "1 is not valid; use true or false"),
        ("verify = 1\n", "verify", "1 is not valid; use true or false"),
        ('verify = "yes"\n', "verify", "'yes' is not valid; use true or false"),
        ("[axes.dims]\nx = 1\n", "axes.dims[0]", "use whole numbers of 1 or more"),
        ('[axes]\nbatch_size = "x"\n', "axes.batch_size[0]", "use whole numbers of 2 or more"),
        ("[axes]\nbatch_size = [8, 1]\n", "axes.batch_size[1]", "1 is not valid"),
        ("[axes]\nbatch_size = []\n", "axes.batch_size", "empty; use whole numbers of 2 or more"),
        ("[axes]\nnan_density = 1.5\n", "axes.nan_density[0]", "use numbers from 0 to 1"),
        ("[axes]\nnan_density = nan\n", "axes.nan_density[0]", "use numbers from 0 to 1"),
        ("[axes]\ndims = 0\n", "axes.dims[0]", "0 is not valid; use whole numbers of 1 or more"),
        ("[axes]\nembedding_size = 0.5\n", "axes.embedding_size[0]", "0.5 is not valid"),
        ("[axes]\ntemperature = 0\n", "axes.temperature[0]", "use numbers above 0"),
        ('[axes]\ndtype = "int8"\n', "axes.dtype[0]", "use float32, float64, float16, bfloat16"),
        ('[axes]\nlabels = "own"\n', "axes.labels[0]", "use continuous, tied"),
        ('[axes]\ndevice = "GPU 1"\n', "axes.device[0]", "use names such as cpu, cuda"),
        ('[axes]\npass = "backward"\n', "axes.pass[0]", "use forward, training"),
        ("[[grid]]\ndims = 1\n[[grid]]\ndims = 0\n", "grid[1].dims[0]", "0 is not valid"),
        ("grid = []\n", "grid", "empty; write one or more [[grid]] tables"),
        ("grid = 3\n", "grid", "3 is not valid; write one or more [[grid]] tables"),
        ("seed = -1\n", "seed", "-1 is not valid; use a whole number of 0 or more"),
        ("axes = 3\n", "axes", "3 is not valid"),
        (
            'definition = "no-slf"\n',
            "definition",
            "'no-slf' is not valid; use torchcell, no-self, rank-n-contrast or one of",
        ),
        ('[budget]\ntime_limit = "soon"\n', "budget.time_limit", "write it like 10s"),
        ("[budget]\ntime_limit = 0\n", "budget.time_limit", "write it like 10s"),
        ("[budget]\ntime_limit = true\n", "budget.time_limit", "write it like 10s"),
        ('[budget]\nsampling = "-1s"\n', "budget.sampling", "write it like 10s"),
        ('[budget]\nmemory_limit = "4 G"\n', "budget.memory_limit", "write it like 4GiB"),
        ("[budget]\nmemory_limit = -4\n", "budget.memory_limit", "write it like 4GiB"),
        ("[budget]\nprecision = 1\n", "budget.precision", "use a fraction above 0 and below 1"),
        ("[budget]\nthreads = -1\n", "budget.threads", "use a whole number"),
    ],
)
def test_a_mistake_is_named_with_file_key_and_fix(
    file: Path, body: str, location: str, fix: str
) -> None:
    with pytest.raises(SuiteError) as caught:
        load(file, body)
    assert str(caught.value).startswith(f"mine.toml: {location}: ")
    assert fix in str(caught.value)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (
            'implementations = ["loopy"]\n',
            "mine.toml: purpose: missing; say in a sentence what the suite is for",
        ),
        (
            'purpose = "x"\n',
            "mine.toml: implementations: missing; use names of `supcr-bench list`, tag:TAG or all",
        ),
        (
            'purpose = ""\nimplementations = ["loopy"]\n',
            "mine.toml: purpose: '' is not valid; say in a sentence what the suite is for",
        ),
        (
            'purpose = "x"\nimplementations = []\n',
            "mine.toml: implementations: empty; use names of `supcr-bench list`, tag:TAG or all",
        ),
        (
            'purpose = "x"\nimplementations = "loopy"\n',
            "mine.toml: implementations: 'loopy' is not valid; use names of `supcr-bench list`, "
            "tag:TAG or all",
        ),
    ],
)
def test_what_every_suite_must_say_is_asked_for(file: Path, head: str, message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        load(file, head=head)
    assert str(caught.value) == message


def test_bad_toml_is_named_with_its_place(file: Path) -> None:
    with pytest.raises(SuiteError, match=r"mine\.toml: not valid TOML: .*line 3"):
        load(file, "seed = = 1\n")


def test_a_suite_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SuiteError, match=r"no suite file 'nothing\.toml'"):
        load_suite("nothing.toml")


def test_an_unknown_suite_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'quick'") as caught:
        load_suite("quik")
    assert "or give the path of a .toml file" in str(caught.value)


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("batch_size", "32,1", "--batch-size: '1' is not valid; use whole numbers of 2 or more"),
        ("batch_size", "x", "--batch-size: 'x' is not valid; use whole numbers of 2 or more"),
        ("batch_size", "", "--batch-size: empty; use whole numbers of 2 or more"),
        ("nan_density", "2", "--nan-density: '2' is not valid; use numbers from 0 to 1"),
        ("embedding_size", "1.5", "--set embedding_size: '1.5' is not valid"),
        ("pass", "back", "--pass: 'back' is not valid; use forward, training"),
        ("dtype", "half", "--set dtype: 'half' is not valid; use float32"),
        ("device", "GPU", "--device: 'GPU' is not valid; use names such as cpu"),
    ],
)
def test_a_mistake_in_an_axis_names_the_option(option: str, text: str, message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        read_axes({option: text})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("time_limit", "soon", "--time-limit: 'soon' is not valid; write it like 10s"),
        ("memory_limit", "much", "--memory-limit: 'much' is not valid; write it like 4GiB"),
        ("precision", "3", "--precision: '3' is not valid; use a fraction"),
        ("threads", "-1", "--threads: '-1' is not valid; use a whole number"),
        ("processes", "0", "--processes: '0' is not valid; use a whole number from 1 to 100"),
        ("processes", "many", "--processes: 'many' is not valid; use a whole number from 1"),
    ],
)
def test_a_mistake_in_a_budget_names_the_option(option: str, text: str, message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        read_budgets({option: text}, Budgets())
    assert str(caught.value).startswith(message)


def test_budgets_given_replace_the_suites_and_keep_the_others() -> None:
    base = Budgets(time_limit=3.0, precision=0.1)
    found = read_budgets({"memory_limit": "8GiB", "time_limit": "1min"}, base)
    assert (found.time_limit, found.memory_limit, found.precision) == (60.0, 8 * 2**30, 0.1)


def test_a_list_may_have_spaces_and_a_trailing_comma() -> None:
    assert read_axes({"batch_size": " 32, 64 ,"}).batch_size == (32, 64)


def test_a_suite_may_name_any_definition_and_its_own(file: Path) -> None:
    assert load(file, 'definition = "rank-n-contrast"\n').definition == "rank-n-contrast"
    suite = load(
        file, 'definition = "mine"\n[definitions.mine]\nbase = "no-self"\ntemperature = 0.5\n'
    )
    assert suite.get_definition("mine").temperature == 0.5
    with pytest.raises(UnknownNameError, match="did you mean 'mine'"):
        suite.get_definition("mind")
