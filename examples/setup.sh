# Sourced by demo.sh and tests/run.sh: what a fresh Debian or Ubuntu lacks is installed, and the virtual environment is on PATH.
# Usage: source examples/setup.sh [EXTRAS]   (extras of the package, such as test; default: torch,numba,samplers)

profkit_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
profkit_extra=${1:-torch,numba,samplers}

# Debian's packages, only those that are missing, and only where this user may install them.
profkit_need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || profkit_packages="$profkit_packages $2"
}
profkit_packages=""
profkit_need valgrind valgrind
profkit_need cmake cmake
profkit_need c++ g++
profkit_need make make
profkit_need git git
if [ "$profkit_extra" = test ]; then # the viewers are opened in a real browser
    profkit_need chromium chromium
    profkit_need chromedriver chromium-driver
    profkit_need npm npm
fi
profkit_python=${PYTHON:-$(command -v python3 || echo python3)}
profkit_need "$profkit_python" python3
if ! "$profkit_python" - 2>/dev/null <<'PYTHON'
import ensurepip, pathlib, sysconfig
raise SystemExit(not pathlib.Path(sysconfig.get_paths()["include"], "Python.h").exists())
PYTHON
then
    profkit_packages="$profkit_packages python3-dev python3-venv"
fi
if [ -n "$profkit_packages" ]; then
    profkit_sudo=""
    [ "$(id -u)" -eq 0 ] || profkit_sudo=sudo
    if command -v apt-get >/dev/null 2>&1 && { [ -z "$profkit_sudo" ] || command -v sudo >/dev/null 2>&1; }; then
        echo "installing$profkit_packages" >&2
        $profkit_sudo apt-get update -qq && $profkit_sudo env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends $profkit_packages >/dev/null
    else
        echo "missing:$profkit_packages; install them with your package manager" >&2
        exit 4
    fi
fi
if ! "$profkit_python" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))'; then
    echo "profkit needs Python 3.11 or later, and $profkit_python is $("$profkit_python" --version); set PYTHON" >&2
    exit 4
fi

# The pinned torch first: an open range would pull another build with gigabytes of device packages.
profkit_venv=${PROFKIT_VENV:-$profkit_root/.venv}
[ -x "$profkit_venv/bin/python" ] || "$profkit_python" -m venv "$profkit_venv"
export PATH="$profkit_venv/bin:$PATH"
python -c 'import torch' 2>/dev/null || python -m pip install --quiet torch==2.13.0
python -m pip install --quiet --editable "$profkit_root[$profkit_extra]"
