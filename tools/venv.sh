#!/bin/sh
# Make the virtual environment $1 with the first Python 3.11-3.13 that works; keep one that is there.
# PYTHON=/path/to/python chooses another.
set -eu
venv=$1

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

if [ -x "$venv/bin/python" ] && fits "$venv/bin/python"; then
    exit 0
fi
for python in ${PYTHON:-python3.11 python3.12 python3.13 python3 python}; do
    if fits "$python"; then
        echo "making $venv with $("$python" --version)"
        "$python" -m venv --clear "$venv" && exit 0
        echo "error: $python cannot make a virtual environment (on Debian and Ubuntu: apt install python3-venv)" >&2
        exit 1
    fi
done
echo "error: no Python 3.11, 3.12 or 3.13 found (looked for: ${PYTHON:-python3.11 python3.12 python3.13 python3 python})." >&2
echo "Install one from python.org or your package manager, or name it: make lab PYTHON=/path/to/python" >&2
exit 1
