"""``supcr-bench demo``: verifies a wrong loss that ships with the package."""

import typer

LOSS = "supcr_bench.verification.bugs.demo_loss:MyLoss"
MISTAKE = "strict inequality"
"""What the diagnosis names."""


def demo() -> None:
    """Verify a wrong loss that ships with supcr-bench, and show the diagnosis; some 10 seconds.

    Exits with 0 if the mistake is found and named, else with 1.
    """
    from rich.text import Text

    from supcr_bench.commands.verify import verify_each
    from supcr_bench.render.terminal import make_console
    from supcr_bench.render.verified import print_verification
    from supcr_bench.subjects.registry import line_of, locate

    subject = locate(LOSS)
    console = make_console()
    console.print(Text(f"A loss with one mistake:\n{line_of(subject)[0]}\n"), soft_wrap=True)
    console.print(Text(f"$ supcr-bench verify {LOSS}", "bold"), soft_wrap=True)
    console.print()
    (found,) = verify_each([subject], strict=False, seed=0, console=console)
    print_verification(console, found)
    console.print()
    console.print("Now yours: supcr-bench verify path/to/my_loss.py:MyLoss", soft_wrap=True)
    named = any(MISTAKE in cause for cause in found.causes)
    raise typer.Exit(0 if found.verdict == "not right" and named else 1)
