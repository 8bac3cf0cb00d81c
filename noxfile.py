"""What is checked beyond `make test`: other Pythons and kernels, types, style, the C core, the packages.

nox -l                          what there is
nox -s tests-3.12               one Python, every kernel
nox -s tests-3.12 -- cffi       one Python, one kernel
nox -s lint types               what `make lint` runs
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import nox

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14", "pypy3.11"]
BRIEF = {"3.10", "3.12", "3.13"}  # where going through many bytes one by one shows nothing that the others do not show
EXTRAS = "cffi,cli,speed,trio,ws"
COMPILED = ("cython", "cffi")
MODULES = {"_columns", "_items", "_pending", "_project", "backend_cython", "_dockerwire_cffi"}

PINNED = bool(os.environ.get("CI"))
"""Whether only what tools/pins.sh has pinned is installed, by its hash."""

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "docs", "csrc", "tests", "packaging"]


def own_folder(session: nox.Session) -> Path:
    """A folder of the session's own. TMPDIR stays what it was: in a checkout that lies deep, what tests make there is
    too far down for a unix socket, whose path has 107 bytes at most."""
    folder = Path(session.create_tmp()).resolve()
    session.env.pop("TMPDIR", None)
    return folder


def source_tree(session: nox.Session) -> Path:
    """A copy of what the package is built from, so that sessions side by side do not meet in one build folder."""
    copy = own_folder(session) / "source"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in ("src", "csrc"):
        shutil.copytree(
            name, copy / name, ignore=shutil.ignore_patterns("*.so", "*.o", "*.egg-info", "build", "__pycache__")
        )
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        if Path(name).exists():
            shutil.copy(name, copy)
    return copy


def install(session: nox.Session, *groups: str) -> None:
    """Dependency groups; in CI what is pinned under the name of the last one, which has the others too."""
    if PINNED:
        session.install("--require-hashes", "-r", f".ci/requirements/{groups[-1]}.txt")
    else:
        session.install(*(argument for group in groups for argument in ("--group", group)))


def install_package(session: nox.Session, *groups: str, kernels: str) -> None:
    """The package with all extras, from a copy of its sources, and dependency groups."""
    install(session, *groups)
    options = [str(source_tree(session)) + f"[{EXTRAS}]"]
    if PINNED:  # the extras are pinned with the groups, and so is what the package is built with
        options += ["--no-deps", "--no-build-isolation"]
    session.install(*options, env={"DOCKERWIRE_BUILD_KERNELS": kernels})


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests but those of types, of the C core alone and against real engines, on every kernel (or on those named
    after `--`). Hypothesis tries fewer examples than in `make test`."""
    compiled = [kernel for kernel in COMPILED if kernel != "cython" or not str(session.python).startswith("pypy")]
    kernels = session.posargs or [*compiled, "python"]
    install_package(session, "test", kernels=",".join(compiled))
    for number, kernel in enumerate(kernels):
        env = {"DOCKERWIRE_KERNEL": kernel, "DOCKERWIRE_REQUIRE_KERNELS": ",".join(compiled)}
        pytest = ["python", "-m", "pytest", "-q", "--hypothesis-profile=brief"]
        if "cython" not in compiled:
            pytest.append("-rfE")  # PyPy skips what is Cython's, hundreds of times
        if number:
            # Where bytes go through the kernel in use; what goes through all by itself, or depends on none, was run.
            paths = ["tests/wire", "tests/drivers", "tests/cli/test_commands.py", "tests/cli/test_follow.py"]
            session.run(*pytest, "-m", "not every_kernel", *paths, env=env)
            continue
        rest = [f"--ignore=tests/{name}" for name in ("engine", "reliability", "types", "kernel/test_c.py")]
        if session.python in BRIEF:
            rest += ["-m", "not untraced"]
        if "cython" in compiled:
            session.run(*pytest, *rest, env=env)
        else:
            # A collection of PyPy's goes through all the tests there are, and each of the drivers' ends with one: these
            # have a process of their own.
            session.run(*pytest, *rest, "--ignore=tests/drivers", env=env)
            session.run(*pytest, "tests/drivers", env=env)


@nox.session
def reliability(session: nox.Session) -> None:
    """What takes long to show: faults, cuts, cancellations, hostile peers. On one Python, with every kernel built."""
    install_package(session, "test", kernels=",".join(COMPILED))
    env = {"DOCKERWIRE_REQUIRE_KERNELS": ",".join(COMPILED)}
    session.run("python", "-m", "pytest", "-q", *(session.posargs or ["tests/reliability"]), env=env)


@nox.session
def types(session: nox.Session) -> None:
    """mypy --strict and pyright, over the package and over what users of it write."""
    install_package(session, "test", "types", kernels="none")
    session.run("mypy")
    session.run("mypy", "tests/types")
    session.run("pyright")


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting and linters, of Python, Cython and C."""
    install(session, "lint")
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")
    cython = [*Path("src").rglob("*.pyx"), *Path("src").rglob("*.px[di]")]
    session.run("cython-lint", *map(str, sorted(cython)))
    session.run("clang-format", "--dry-run", "-Werror", *map(str, sorted(Path("csrc").rglob("*.[ch]"))))


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site, in build/site; every link inside it and in the other pages leads somewhere."""
    install(session, "docs")
    session.run("python", "tools/links.py")
    session.run("mkdocs", "build", "--strict", "--quiet")


@nox.session(venv_backend="none")
def csrc(session: nox.Session) -> None:
    """The C core alone: its library, and its tests under the sanitizers."""
    session.run("make", "-C", "csrc", "all", "test")


@nox.session(venv_backend="none")
def fuzz(session: nox.Session) -> None:
    """The C decoders under libFuzzer, from the kept inputs, for seven seconds each, or as many as are said after `--`.
    Needs clang."""
    session.run("make", "-C", "csrc", "fuzz", f"SECONDS={(session.posargs or ['7'])[0]}")


@nox.session
def packaging(session: nox.Session) -> None:
    """sdist and wheel hold what they should, and are the same each time; the kernels are built, left out or insisted on
    as asked. What comes with the wheel is written to build/sbom.cdx.json."""
    install(session, "packaging")
    if PINNED:
        session.install("--require-hashes", "-r", ".ci/requirements/pip.txt")
        session.env["PIP_BUILD_CONSTRAINT"] = str(Path(".ci/requirements/build.txt").resolve())
    sdist, wheel = distributions(session, "dist", ",".join(COMPILED))
    for one, again in zip((sdist, wheel), distributions(session, "a/second/time", "auto"), strict=True):
        if one.name != again.name or one.read_bytes() != again.read_bytes():
            session.error(f"{one.name} is not the same when it is built again")
    check_contents(session, sdist, wheel)
    check_libraries(session, wheel)
    write_bill_of_materials(session, wheel)

    def kernels_of(package: Path, **env: str) -> list[str]:
        session.install("--force-reinstall", "--no-deps", "--no-cache-dir", str(package), env=env)
        code = "from dockerwire import kernel; print(*kernel.available())"
        return str(session.run("python", "-c", code, silent=True)).split()

    everything = [*COMPILED, "python"]
    checks = [
        ("the wheel", kernels_of(wheel), everything),
        ("none", kernels_of(sdist, DOCKERWIRE_BUILD_KERNELS="none"), ["python"]),
        ("auto without a compiler", kernels_of(sdist, DOCKERWIRE_BUILD_KERNELS="auto", CC="/bin/false"), ["python"]),
        ("one by name", kernels_of(sdist, DOCKERWIRE_BUILD_KERNELS="cffi"), ["cffi", "python"]),
    ]
    for what, found, expected in checks:
        if found != expected:
            session.error(f"{what}: the kernels are {found}, not {expected}")
    for kernel in COMPILED:  # asked for by name, a kernel that does not build is an error
        env = {"DOCKERWIRE_BUILD_KERNELS": kernel, "CC": "/bin/false"}
        command = ["pip", "install", "-q", "--force-reinstall", "--no-deps", "--no-cache-dir", str(sdist)]
        session.run(*command, env=env, success_codes=[1], silent=True)


def distributions(session: nox.Session, name: str, kernels: str) -> tuple[Path, Path]:
    """An sdist and a wheel that is built from it, in this folder and with temporary files beside it."""
    dist = own_folder(session) / name
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    env = {"DOCKERWIRE_BUILD_KERNELS": kernels, "SOURCE_DATE_EPOCH": "1700000000", "TMPDIR": str(dist)}
    if PINNED:
        env["PIP_CONSTRAINT"] = session.env["PIP_BUILD_CONSTRAINT"]
    session.run("python", "-m", "build", "-o", str(dist), str(source_tree(session)), env=env)
    (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    return sdist, wheel


def check_libraries(session: nox.Session, wheel: Path) -> None:
    """The wheel needs no library but the C library, of which one of 2012 will do (glibc 2.17)."""
    if sys.platform != "linux":
        return
    found = json.loads(str(session.run("auditwheel", "show", "--json", str(wheel), silent=True, stderr=None)))
    if found["external_libs"] or not found["overall_tag"].startswith(("manylinux_2_5_", "manylinux_2_17_")):
        session.error(f"{wheel.name} is not for every Linux: {found}")


def write_bill_of_materials(session: nox.Session, wheel: Path) -> None:
    """What there is where the wheel was installed without extras, as CycloneDX: h11, and nothing else."""
    place = own_folder(session) / "installed"
    python = str(place / "bin" / "python")
    session.run("python", "-m", "venv", "--clear", "--without-pip", str(place), silent=True)
    pip = ["python", "-m", "pip", "--python", python, "install", "-q"]
    if PINNED:
        session.run(*pip, "--require-hashes", "-r", ".ci/requirements/core.txt")
    session.run(*pip, str(wheel))
    bill = Path("build/sbom.cdx.json")
    bill.parent.mkdir(exist_ok=True)
    options = ["--pyproject", "pyproject.toml", "--mc-type", "library", "--output-reproducible", "-o", str(bill)]
    session.run("cyclonedx-py", "environment", *options, python)
    told = json.loads(bill.read_text("utf-8"))
    names = [component["name"] for component in told["components"]]
    if (told["metadata"]["component"]["name"], names) != ("dockerwire", ["h11"]):
        session.error(f"{bill} is of {told['metadata']['component']['name']} with {names}")


def check_contents(session: nox.Session, sdist: Path, wheel: Path) -> None:
    """The sdist has all that a build needs and nothing generated; the wheel has the package and nothing else."""
    with tarfile.open(sdist) as tar:
        shipped = {name.partition("/")[2] for name in tar.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        installed = set(archive.namelist())
        (metadata,) = (name for name in installed if name.endswith(".dist-info/METADATA"))
        needs = [line for line in archive.read(metadata).decode().splitlines() if line.startswith("Requires-Dist:")]
    sources = {str(path) for path in Path("csrc").rglob("*.[ch]")}
    sources |= {str(path) for pattern in ("*.py[xi]", "*.px[di]") for path in Path("src").rglob(pattern)}
    sources |= {"LICENSE", "README.md", "pyproject.toml", "setup.py", "src/dockerwire/py.typed"}
    generated = {
        name for name in shipped if name.endswith((".so", ".o")) or (name.endswith(".c") and name not in sources)
    }
    package = {
        str(path.relative_to("src")) for pattern in ("*.py", "*.pyi", "py.typed") for path in Path("src").rglob(pattern)
    }
    modules = {name: Path(name).name.partition(".")[0] for name in installed if name.endswith(".so")}
    troubles = {
        "missing in the sdist": sources - shipped,
        "generated, yet in the sdist": generated,
        "missing in the wheel": package - installed,
        "strange in the wheel": {name for name in installed - package - set(modules) if ".dist-info/" not in name},
        "compiled modules missing in the wheel": MODULES - set(modules.values()),
        "strange compiled modules": set(modules.values()) - MODULES,
        "required at run time": {line for line in needs if "extra ==" not in line and " h11" not in line},
    }
    for trouble, names in troubles.items():
        if names:
            session.error(f"{trouble}: {', '.join(sorted(names))}")
