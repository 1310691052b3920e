#!/usr/bin/env bash
# Writes tools/lock.txt: the version and the hashes of every package that `make` installs. What is
# pinned stays where pyproject.toml allows it.
#
#   make lock                                after a change of pyproject.toml's requirements
#   bash tools/lock.sh --upgrade             all packages at their newest versions
#   bash tools/lock.sh --upgrade-package X   one of them
#   bash tools/lock.sh --constraint FILE     none above what the file says
set -euo pipefail
cd -P "$(dirname "$0")/.."

# The packages that build this one are installed from the lock file, too.
.venv/bin/python -c '
import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")
' | .venv/bin/uv pip compile pyproject.toml - --extra dev --universal --python-version 3.11 \
    --generate-hashes --no-annotate --no-emit-index-url --quiet \
    --custom-compile-command "make lock" --output-file tools/lock.txt "$@" >/dev/null
