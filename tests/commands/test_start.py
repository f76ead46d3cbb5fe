"""What a newcomer types first: no argument, `--version`, `demo`, `doctor`, and completion."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import supcr_bench
from supcr_bench.commands import doctor, verify
from supcr_bench.commands.app import START, app, main
from supcr_bench.verification.verification import Verification
from tests.made_verifications import STRICT, make_verification
from tests.patience import HANGS_S


def test_without_arguments_the_five_things_that_people_do_are_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["supcr-bench"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (0, None)
    assert capsys.readouterr().out == f"{START}\n"
    assert max(map(len, START.splitlines())) < 80
    shown = [line.split()[1] for line in START.splitlines() if line.startswith("  supcr-bench ")]
    assert shown == ["demo", "verify", "run", "recommend", "gate"]
    assert set(shown) <= set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ver", ["verify"]),
        ("verify sc", ["scan"]),
        ("run qu", ["quick"]),
        ("run quick -i sc", ["scan"]),
        ("run --set embedding_s", ["embedding_size="]),
        ("gate pre", ["precision"]),
        ("report mi", ["mine"]),
        ("compare latest mi", ["mine"]),
        ("recommend --from l", ["latest"]),
        ("verify --definition no", ["no-self"]),
        ("export mine --format ben", ["bencher"]),
        ("verify my_loss", []),  # for which a shell offers files
    ],
)
def test_completion_offers_names_without_importing_torch(
    tmp_path: Path, typed: str, offered: list[str]
) -> None:
    run = tmp_path / "results" / "mine" / "run.json"
    run.parent.mkdir(parents=True)
    run.write_text("{}")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, atexit\n"
            "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))\n"
            "from supcr_bench.commands.app import main\n"
            "sys.argv = ['supcr-bench']\n"
            "main()",
        ],
        env={
            **os.environ,
            "_SUPCR_BENCH_COMPLETE": "complete_bash",
            "COMP_WORDS": f"supcr-bench {typed}",
            "COMP_CWORD": str(len(typed.split())),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
    assert (done.stdout.split(), done.stderr.split()) == (offered, ["False"])


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (make_verification(verify.DEMO_LOSS, recognised=STRICT), 0),
        (make_verification(verify.DEMO_LOSS), 1),
    ],
)
def test_the_demo_succeeds_where_the_mistake_is_named(
    found: Verification,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(verify, "verify_each", lambda *given, **options: iter([found]))
    with pytest.raises(typer.Exit) as end:
        verify.demo()
    assert end.value.exit_code == status
    printed = capsys.readouterr().out
    assert f"$ supcr-bench verify {verify.DEMO_LOSS}\n" in printed
    assert f"{verify.DEMO_LOSS} is {'not right' if status == 0 else 'right'}" in printed


def test_doctor_tells_what_is_missing_and_what_that_means(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "measure_noise", lambda: 0.031)
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "numba" else "1.0")
    doctor.doctor()
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= doctor.WIDTH
    whole = printed.replace(f"\n{13 * ' '}", " ")
    lines = dict(line.split(maxsplit=1) for line in whole.splitlines())
    assert lines["supcr-bench"].startswith(supcr_bench.__version__)
    assert lines["torch"] == lines["Ray"] == "1.0"
    assert lines["numba"] == (
        "missing: `tiled` is left out; the fast losses run `scan`; pip install numba"
    )
    assert lines["devices"].startswith("cpu")
    assert {"compiler", "cores", "memory"} <= set(lines)
    assert "up to 3.1 % now: quiet enough" in lines["noise"]


def test_noise_is_how_far_medians_of_pairs_are_from_equal() -> None:
    quiet = [[1.0, 1.5, 0.9]] * 19
    assert doctor.spread([*quiet, [2.0, 2.0, 2.0]]) == 0
    assert doctor.spread([[0.8, 0.8, 3.0]] * 20) == pytest.approx(0.2)
    assert "end other programs" in doctor.noise_line(0.2)


def test_noise_is_measured() -> None:
    assert doctor.measure_noise() >= 0
