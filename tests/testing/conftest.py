"""Runs tests of made-up projects, in this process."""

import importlib
from collections.abc import Callable

import pytest

# What the inner sessions import is imported here: pytester forgets modules that are new in one, so
# that the next imports them again, which takes a second or, where torch registers operators on
# import, cannot be done. torch imports some of it only when something is compiled or traced.
for module in (
    "hypothesis",
    "torch._dynamo",
    "torch._inductor.test_operators",
    "torch.distributed._functional_collectives",
    "supcr_bench.testing.benchmark",
    "supcr_bench.testing.suite_file",
    "supcr_bench.testing.suite_run",
    "supcr_bench.verification.bugs.catalogue",
):
    importlib.import_module(module)

Project = Callable[..., pytest.RunResult]

SETTINGS = """
[tool.pytest.ini_options]
filterwarnings = [
    "error",
    "ignore:Module already imported",  # by the outer session
]
"""

LOSSES = """
from supcr_bench.verification.bugs.catalogue import BUGS
from supcr_bench.verification.bugs.right import RightSupCR

WRONG = {bug.name: bug.factory for bug in BUGS}
SMALL = {"batch_size": 12, "dims": 2, "nan_density": 0.25, "labels": "tied", "embedding_size": 8}
SMALL["definition"] = "torchcell"


class Raises(RightSupCR):
    def forward(self, perturbed, intact, labels):
        return self.no_such_thing
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    """Run the tests of a project with some losses, its times as short as can be.

    Warnings are errors in it, as they are here.
    """
    pytester.makepyfile(losses=LOSSES)
    pytester.makepyprojecttoml(SETTINGS)

    def run(test: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=f"import pytest\nfrom losses import *\n{test}")
        brief = ("--benchmark-max-time=0.000001", "--benchmark-min-rounds=3")
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *brief, *options)

    return run
