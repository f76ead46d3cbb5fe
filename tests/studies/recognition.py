"""``make recognition-study``: how often recognition is right about synthetic losses."""

import random
import re
import sys
from collections.abc import Iterator

import torch

from tests.verification.judge_synthetic import judge
from tests.verification.synthetic import BASES, DEPARTURES, clash

PAIRS = 300
VERDICTS, CAUSES = 0.99, 0.95
"""The least shares that must be right."""


def single_departures() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (base, departures) for each base alone and with each departure."""
    for base in BASES:
        yield base, ()
        yield from ((base, (name,)) for name, one in DEPARTURES.items() if one.departs(base))
        for name, one in DEPARTURES.items():
            if one.departs(base) and "similarity" in one.changes:
                yield base, (name, "similarity turned")


def random_pairs(count: int, seed: int = 15) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (base, two departures that change different fields)."""
    bits = random.Random(seed)
    while count:
        base = bits.choice(sorted(BASES))
        a, b = bits.sample(sorted(DEPARTURES), 2)
        if DEPARTURES[a].departs(base) and DEPARTURES[b].departs(base) and not clash(a, b):
            count -= 1
            yield base, (a, b)


def main() -> int:
    """Judge all singles and random pairs; print what is wrong, and the shares that are right."""
    torch.set_num_threads(1)
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    cases = {"single": list(single_departures()), "pair": list(random_pairs(PAIRS))}
    totals = []
    for kind, some in cases.items():
        verdicts = causes = named = 0
        times = []
        some = [c for c in some if re.search(asked, f"{kind} {c[0]}: {' + '.join(c[1])}")]
        for base, names in some:
            found = judge(base, names)
            times.append(found.cpu_s)
            verdicts += found.right_verdict
            causes += not found.unnamed
            named += not found.unnamed and found.right_verdict
            if asked or found.unnamed or not found.right_verdict:
                said = found.recognition
                wrong = "" if found.right_verdict else f"wrong verdict (faulty: {found.faulty}); "
                sys.stdout.write(
                    f"{base}: {' + '.join(names)}: {wrong}unnamed {list(found.unnamed)}\n"
                    f"    {said.nearest}; choices {list(said.choices)}; faults "
                    f"{list(said.faults)} {found.cpu_s:.1f} s\n"
                )
                sys.stdout.flush()
        totals.append((kind, len(some), verdicts, causes, sorted(times)))
    ok = True
    for kind, count, verdicts, causes, times in totals:
        if not count:
            continue
        ok &= verdicts >= VERDICTS * count and causes >= CAUSES * count
        sys.stdout.write(
            f"{kind}: {count} losses, {verdicts} right verdicts ({verdicts / count:.1%}), "
            f"{causes} with all causes ({causes / count:.1%}); CPU of one: median "
            f"{times[count // 2]:.2f} s, at most {times[-1]:.2f} s\n"
        )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
