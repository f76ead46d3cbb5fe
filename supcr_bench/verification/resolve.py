"""Resolves how to call an implementation (subject) and which definition of the loss it follows."""

from contextlib import suppress
from dataclasses import replace

import torch

from supcr_bench.measure.outcome import describe_error, has_no_graph
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.compiler import original, why_no_compiler
from supcr_bench.subjects.find_call import RaisingCallError, find_call, find_calls
from supcr_bench.subjects.process_state import ProcessState
from supcr_bench.subjects.registry import Subject, load
from supcr_bench.values.definition import AUTO, Definition, get_definition
from supcr_bench.values.errors import UnavailableError
from supcr_bench.values.implementation import Implementation, Resolution
from supcr_bench.verification import scale_rules, structure
from supcr_bench.verification.context import tested_as
from supcr_bench.verification.family import DETACHED
from supcr_bench.verification.label_rules import (
    ANOTHER_ON,
    BATCH_SCALES,
    read_missing,
    read_tolerance,
    read_weights,
)
from supcr_bench.verification.phrases import PHRASES
from supcr_bench.verification.probes import FITS, NotFiniteError, Prober, alike
from supcr_bench.verification.reading import Reading, definition_of

NO_GRAPH = "no gradient reaches the embeddings: the loss has no graph (.item(), .data, no_grad)"
NO_GRAPH_OF_FEW = (
    "a batch where no pair is left, as of two rows, gives a constant without a graph, such as "
    "torch.tensor(0.0), so that backward raises"
)
EQUAL_LABELS = (
    "the loss or its gradient is not finite where all labels are equal, as a division by the "
    "largest label distance makes it"
)
STATE = (
    "other numbers at the second call of a module: it keeps something between calls, such as a "
    "queue, or draws random numbers"
)
TEMPERATURE_CHANGES = (
    "the temperature changes from call to call of a module, as by a schedule or a moving average"
)
SCALE_CHANGES = (
    "the scale of the loss changes from call to call of a module: a warm-up, or random numbers"
)
MANY_ROWS = 24
"""Rows of a batch that is large enough to show whether a loss samples rows."""


def resolve(
    implementation: Implementation,
    definition: Definition | str | None = None,
    *,
    device: str = "cpu",
) -> tuple[Resolution, Reading | None]:
    """Resolve how to call an implementation, and its definition; also the choices found.

    The definition, or its name, is the one to compare with: ``auto`` for the one that is recognised
    in the first call that shows no fault, and ``None`` for the declared one. A SubjectError if it
    cannot be built, or no call gives a loss.
    """
    if definition is None:
        definition = implementation.definition
    if definition != AUTO:
        wanted = definition if isinstance(definition, Definition) else get_definition(definition)
        return find_call(implementation, wanted, device), None
    best: tuple[tuple[bool, int, bool], Resolution, Reading] | None = None
    for call in find_calls(implementation, device=device):
        reading = read(Adapter(implementation.factory, call), device)
        found, choices, faults = definition_of(reading, call.definition.call)
        unknown = reading.member is None
        # Of what computes something else, two views may be rows to it.
        faulty = unknown, len(faults), unknown and call.definition.views != "single"
        if best is None or faulty < best[0]:
            alone = reading.member is not None and not reading.several_dimensions
            own = replace(call, definition=found, one_dimension=call.one_dimension or alone)
            of_call = replace(tested_as(own), choices=tuple(choices), faults=tuple(faults))
            best = faulty, replace(own, recognised=of_call), reading
        if not faults:
            break
    assert best is not None
    return best[1:]


def read(subject: Adapter, device: str = "cpu") -> Reading:
    prober = Prober(subject, device)
    found = read_choices(prober)
    if found.float32 and prober.dtype == torch.float64 and prober.limit == FITS:
        found.choices.append(PHRASES["precision"]["float32"])
    elif found.member and not found.faults and prober.limit == FITS:
        prober.dtype = torch.float32  # in which autocast computes in a lower precision
        with suppress(Exception):  # a check reports what it raises
            plain = prober.plain()
            fit = prober.fits([found.member], plain)[0]
            if fit.residual > structure.BFLOAT16 / 10:
                low = "bfloat16" if fit.residual > structure.BFLOAT16 else "float16"
                found.faults.append(PHRASES["precision"][low])
    return found


def read_choices(prober: Prober) -> Reading:
    reading = Reading()
    try:
        reading = structure.read_structure(prober)
        member = reading.member
        if member is not None and reading.complete and member.ties == "by_value":
            read_tolerance(prober, reading, member)
        if member is None or not reading.complete:
            return _with_changes(prober, reading)
        counted = False
        # In a low precision, shares are rounded too much. Ranks have no missing labels.
        if prober.limit == FITS and member.measured != "ranked":
            # Without gradients of denominators, those of the label dimensions are alike.
            shares = member.gradient != DETACHED and read_weights(prober, reading, member)
            counted = read_missing(prober, reading, member, shares=shares)
        member = scale_rules.fill_empty_denominators(
            prober, scale_rules.read_temperature(prober, reading, member)
        )
        scale_rules.read_value(prober, reading, member)
        reading.member = member = scale_rules.read_eps(prober, reading, member)
        scale_rules.read_default_temperature(prober, reading, member)
        scale_rules.read_factor(prober, reading, member, counted=counted)
        scale_rules.read_upstream(prober, reading)
        try:
            prober.plain(2)
        except (ValueError, AssertionError):  # its author means it
            reading.choices.append(PHRASES["batch"]["two refused"])
        except NotFiniteError:
            reading.faults.append("the loss or its gradient is not finite on a batch of two rows")
        # A mistake in the candidates, such as a strict inequality, leaves none there either.
        if not reading.faults and reading.member and not reading.member.faults():
            plain = prober.plain()
            try:
                prober.probe(plain.views, torch.ones_like(plain.labels))
            except NotFiniteError:
                reading.faults.append(EQUAL_LABELS)
            except Exception:  # noqa: BLE001, S110 - a check reports what it raises
                pass
        _with_changes(prober, reading)
    except NotFiniteError:
        reading.faults.append("the loss or its gradient is not finite on ordinary rows")
    except Exception as error:  # noqa: BLE001 - a loss may raise anything
        fault = f"raises {describe_error(error)}"
        if has_no_graph(error):
            few = reading.member is not None  # ordinary rows have had one
            fault = NO_GRAPH_OF_FEW if few else structure.without_gradient(prober, NO_GRAPH)
        reading.faults.append(fault)
    return reading


def _with_changes(prober: Prober, reading: Reading) -> Reading:
    """The reading, with what a module does otherwise at its second call, or in evaluation mode.

    Such a fault replaces those that only the first call shows. If the loss is random on a batch of
    many rows, that alone explains its faults.
    """
    if reading.faults:
        with suppress(Exception):  # it may take fewer rows
            # Asked twice: a loss that leaves out one row may draw the same one again.
            if not (prober.repeats(MANY_ROWS) and prober.repeats(MANY_ROWS)):
                reading.faults = [structure.randomness(prober, MANY_ROWS)]
    if any(fault.startswith(structure.OTHER_NUMBERS) for fault in reading.faults):
        return reading
    member = reading.member
    still = prober.in_evaluation_mode(scale_rules.WARMER)
    trained = prober.plain(temperature=scale_rules.WARMER)
    if still and not alike(trained, still):
        reading.faults.append(
            f"another loss in evaluation mode (module.eval()): {still.loss:.3g} in place of "
            f"{trained.loss:.3g}"
        )
    first, second = prober.plain(), prober.again()
    if alike(first, second):
        return reading
    cause, untrue = STATE, list[str]()
    share = float((first.slopes * second.slopes).sum() / first.slopes.square().sum())
    if alike(replace(first, loss=share * first.loss, slopes=share * first.slopes), second):
        cause, untrue = SCALE_CHANGES, [reading.factor_words]
    elif member is not None:
        temperature = prober.nearest_temperature([member], second)
        if prober.fitting([member._replace(temperature=member.temperature * temperature)], second):
            cause, reading.default_temperature = TEMPERATURE_CHANGES, None
            of_one_call = scale_rules.SCALED_BY, ANOTHER_ON, BATCH_SCALES
            untrue = [fault for fault in reading.faults if fault.startswith(of_one_call)]
    reading.faults = [cause, *(fault for fault in reading.faults if fault not in untrue)]
    return reading


def resolved(subject: Subject, device: str = "cpu") -> tuple[Implementation, Adapter]:
    """Return a subject's implementation and adapter, resolved if need be; or a SubjectError."""
    process = ProcessState()
    found = load(subject)
    if subject.compiled and (missing := why_no_compiler(device)):
        raise UnavailableError("package", f"{subject.name} cannot be compiled.", missing)
    own = subject.resolution
    if own is None:
        own = resolve_to_measure(found, subject.definition, device, process)
        own = replace(own, compiled=subject.compiled)
    return found, Adapter.of(found, own)


def resolve_to_measure(
    implementation: Implementation,
    definition: Definition | str | None,
    device: str = "cpu",
    process: ProcessState | None = None,
) -> Resolution:
    """Resolve as :func:`resolve` does; if the call raises, measuring it will show the error.

    Without a definition, that error is raised here, as only the loss's numbers show which it has.
    Changes to the process since ``process`` are undone and noted in the resolution.

    For a compiled loss, the calls are tried on the original: each shape would compile it again.
    """
    if found := original(implementation.factory):
        implementation = replace(implementation, factory=found)
    process = process or ProcessState()
    try:
        own = resolve(implementation, definition, device=device)[0]
    except RaisingCallError as error:
        if (definition or implementation.definition) == AUTO:
            raise
        own = error.resolution
    finally:
        undone = process.undo()
    lasting = process.lasting_changes()
    changes = tuple(dict.fromkeys((*implementation.process_changes, *undone, *lasting)))
    return replace(own, process_changes=changes, own_process=bool(lasting))
