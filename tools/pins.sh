#!/bin/bash
# Pins all that CI installs from the Python Package Index, with hashes, for every Python it has: .ci/requirements/*.txt,
# anew, as of today. `make pins` runs it; uv does the work. Nobody but CI is bound to these versions. What is none of them,
# but changes what packages ask for, is in overrides.in.
set -euo pipefail
cd "$(dirname "$0")/.."
out=.ci/requirements

pin() { # pin NAME ARGUMENT...: what is installed together; the names of packages, if any, on stdin
  local name=$1
  shift
  .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes --override "$out/overrides.in" \
    --custom-compile-command "make pins" --output-file "$out/$name.txt" "$@"
}

build_requirements() {
  .venv/bin/python -c 'import sys, tomllib; print(*tomllib.load(sys.stdin.buffer)["build-system"]["requires"], sep="\n")' < pyproject.toml
}

package=(--extra cffi --extra cli --extra speed --extra trio --extra ws pyproject.toml)
build_requirements | pin build -
build_requirements | pin types --constraint "$out/build.txt" "${package[@]}" --group test --group types -
build_requirements | pin test --constraint "$out/types.txt" "${package[@]}" --group test -
# Into one environment with these, or one by itself.
pin nox --constraint "$out/types.txt" --group nox
pin lint --group lint
pin docs --group docs
pin packaging --constraint "$out/build.txt" --group packaging
pin core pyproject.toml
pin bench --constraint "$out/types.txt" --group bench
echo pip | pin pip -
