"""What ``verify --labels`` says of the arms: degrees between a loss's gradient and another's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from supcr_bench.subjects.adapter import Adapter
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.impact import ImpactQuestion
from supcr_bench.verification.impact_study import ImpactStudy
from supcr_bench.verification.reading import Reading
from tests.studies.training.arms import RNC_BASE, TORCHCELL_BASE, Arm
from tests.studies.training.data import Table

ONE_OF_OTHERS = {"no-self", RNC_BASE}
"""Arms whose angle is that of ``torchcell`` from their definition."""


def write_labels(file: Path, labels: Table) -> str:
    """Write a label file; returns it with its columns, as ``--labels`` takes them."""
    names = [f"label{at}" for at in range(labels.shape[1])]
    lines = [",".join("" if np.isnan(y) else repr(float(y)) for y in row) for row in labels]
    file.write_text("\n".join([",".join(names), *lines]) + "\n")
    return f"{file}:{','.join(names)}"


def predicted_angles(arms: Sequence[Arm], labels: str, batch_size: int) -> list[dict[str, Any]]:
    """The rows on whole losses that ``supcr-bench verify LOSS --labels`` prints.

    Each has the arm, the kind of embeddings, the angle with its interval, and the ratio of lengths.
    """
    found = []
    for arm in arms:
        if arm.factory is None or arm.kind not in ("definition", "fault"):
            continue
        context = CheckContext(Adapter.usual(arm.factory, arm.definition))
        question = ImpactQuestion(labels, batch_size)
        for row in ImpactStudy(context, Reading(), arm.definition, question).rows():
            if row.departure is not None:
                continue
            if arm.name == TORCHCELL_BASE and row.definition in ONE_OF_OTHERS:
                name = row.definition
            elif arm.kind == "fault" and row.definition == arm.definition.name:
                name = arm.name
            else:
                continue
            found.append(
                {
                    "arm": name,
                    "embeddings": row.embeddings,
                    "angle": row.angle,
                    "low": row.low,
                    "high": row.high,
                    "length": row.length,
                    "note": row.note,
                }
            )
    return found
