"""Run the smoke test and the golden digests in clean environments of every Python found here.

python matrix.py WHEEL FOLDER    # FOLDER keeps the environments for the next run
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PANDAS_2 = ("pandas==2.*", "numpy==2.*")
PANDAS_2_OLD_NUMPY = ("pandas==2.*", "numpy==1.26.*")
PANDAS_3 = ("pandas==3.*", "numpy==2.*")
ALL = (*PANDAS_3, "polars", "pyarrow")
WAITING = ("numpy", "polars", "pyrate-limiter", "tenacity")
BARS = (*ALL, *WAITING, "exchange-calendars")
ENVIRONMENTS = [  # pandas 3 begins with Python 3.11, NumPy 1.26 ends with Python 3.12
    ("3.10", ()),
    ("3.10", PANDAS_2_OLD_NUMPY),
    ("3.10", WAITING),
    ("3.11", PANDAS_2_OLD_NUMPY),
    ("3.11", PANDAS_3),
    ("3.12", ()),
    ("3.12", PANDAS_2_OLD_NUMPY),
    ("3.12", ALL),
    ("3.13", PANDAS_2),
    ("3.13", ("polars",)),
    ("3.13", BARS),
]
SMOKE = Path(__file__).with_name("smoke.py")
TIME_RANGES = Path(__file__).with_name("bars.py")
SWEEPS = Path(__file__).with_name("sweeps.py")
GOLDEN = Path(__file__).parents[1] / "golden" / "check.py"
STORED = Path(__file__).parents[1] / "golden" / "stored.py"
SERIES = Path(__file__).parents[1] / "golden" / "series.py"
RUNS = Path(__file__).parents[1] / "golden" / "runs.py"
PIP_INSTALL = ("install", "--quiet", "--disable-pip-version-check")


def run(*command, **environment):
    ran = subprocess.run(
        command, capture_output=True, check=True, text=True, env={**os.environ, **environment}
    )
    return ran.stdout.strip()


def is_python(path, wanted):
    """Whether `path` runs as that version; a pyenv shim may exist and refuse."""
    try:
        return run(path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == wanted
    except subprocess.CalledProcessError:
        return False


def find_python(wanted):
    """Python `wanted` from PATH, else the one that runs this, else pyenv's newest."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    installed = sorted(pyenv.glob(f"versions/{wanted}.*/bin/python"), reverse=True)
    candidates = filter(None, (shutil.which(f"python{wanted}"), sys.executable, *installed))
    return next((path for path in candidates if is_python(path, wanted)), None)


def install(interpreter, folder, wheel, requirements):
    """Make an environment of the wheel, its requirements and nothing else; give its python."""
    python = folder / "bin" / "python"
    if not python.exists():
        run(interpreter, "-m", "venv", "--without-pip", folder)
    pip = (sys.executable, "-m", "pip", "--python", python, *PIP_INSTALL)
    run(*pip, wheel, *requirements)
    run(*pip, "--force-reinstall", "--no-deps", wheel)
    return python


def passes(interpreter, folder, wheel, requirements):
    try:
        python = install(interpreter, folder, wheel, requirements)
        line = run(python, "-B", SMOKE)
        bars = run(python, "-B", TIME_RANGES)
        sweeps = run(python, "-B", SWEEPS)
        seed = str(sum(folder.name.encode()))  # another one in each environment
        golden = run(python, "-B", GOLDEN, PYTHONHASHSEED=seed)
        stored = run(python, "-B", STORED, PYTHONHASHSEED=seed)
        series = run(python, "-B", SERIES, PYTHONHASHSEED=seed)
        runs = run(python, "-B", RUNS, PYTHONHASHSEED=seed)
    except subprocess.CalledProcessError as failure:
        print(f"FAILED  {folder.name}\n{failure.stdout}{failure.stderr}", flush=True)
        return False
    print(f"passed  {line}; {bars}; {sweeps}; {golden}; {stored}; {series}; {runs}", flush=True)
    return True


def main(wheel, folder):
    pythons = {wanted: find_python(wanted) for wanted in PYTHONS}
    results = []
    for wanted, requirements in ENVIRONMENTS:
        if pythons[wanted] is not None:
            name = "-".join((wanted, *requirements)).replace("==", "").replace(".*", "")
            place = Path(folder).resolve() / name
            results.append(passes(pythons[wanted], place, wheel, requirements))
    for wanted in (wanted for wanted, path in pythons.items() if path is None):
        print(f"left out: Python {wanted} was not found")
    failed = results.count(False)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
