"""The checks that run in a single process, with one file for each group of checks."""

from supcr_bench.verification.context import Check


def all_checks() -> list[Check]:
    from supcr_bench.verification.checks import conduct, definition, relations, robustness

    return [
        check
        for group in (definition, relations, robustness, conduct)
        for check in sorted(
            (value for value in vars(group).values() if isinstance(value, Check)),
            key=lambda check: (check.slow, check.name),
        )
    ]
