#!/usr/bin/env bash
# Makes .venv, or brings it up to date with tools/lock.txt. Called by the Makefile.
#
# .venv/installed is the stamp: it is written last, so after an interrupted installation there is
# none, or one that is still too old. It holds the folder it was made for, because a virtual
# environment cannot be moved or copied.
set -euo pipefail
cd -P "$(dirname "$0")/.." # -P: make names folders without symbolic links, too

readonly stamp=.venv/installed log=.venv/install.log python=.venv/bin/python

find_python() {
    local candidate
    for candidate in python3.11 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "error: Python 3.11 is needed, and neither python3.11 nor python3 on the PATH is one;" \
        "install it and run make again" >&2
    return 2
}

is_usable() { # is .venv whole, and was it made here?
    [ "$(cat "$stamp" 2>/dev/null)" = "$PWD" ] && "$python" -m pip --version >/dev/null 2>&1
}

install_with_pip() { # pip's own output goes to the log; a line now and then tells that it lives
    "$python" -m pip install --disable-pip-version-check --no-compile --no-deps "$@" \
        >>"$log" 2>&1 &
    local pip=$! next=$((SECONDS + 20)) steps='^ *(Collecting|Processing|Downloading|Installing)'
    # A job in the background does not hear Ctrl-C: pass it on.
    trap 'kill "$pip" 2>/dev/null; exit 130' INT TERM
    while kill -0 "$pip" 2>/dev/null; do
        sleep 1
        if [ "$SECONDS" -ge "$next" ]; then
            echo "  ${SECONDS} s: $(grep -E "$steps" "$log" | tail -n 1 | sed 's/ (.*//; s/:.*//')"
            next=$((SECONDS + 20))
        fi
    done
    wait "$pip"
}

install() { # the packages of these hashes and no others, then this project itself
    : >"$log"
    install_with_pip --require-hashes --requirement tools/lock.txt &&
        install_with_pip --no-build-isolation --editable .
}

compile_on_all_cores() { # pip would compile on one, which takes a minute longer
    # Nobody imports the packages' own tests. Some ship templates that are no Python and may fail.
    "$python" -m compileall -q -j 0 -x /tests/ .venv/lib >>"$log" 2>&1 || true
}

if is_usable; then
    echo "Bringing .venv up to date with tools/lock.txt"
else
    found=$(find_python)
    echo "Installing into .venv: once, some minutes and 7 GB (PyTorch, Ray, MLflow)"
    "$found" -m venv --clear .venv
fi
if ! install; then
    tail -n 15 "$log" >&2
    echo "error: the installation failed; all of pip's output is in $log" >&2
    exit 1
fi
echo "  ${SECONDS} s: Compiling"
compile_on_all_cores
echo "$PWD" >"$stamp"
echo "Installed in ${SECONDS} s"
