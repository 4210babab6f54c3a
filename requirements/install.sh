#!/usr/bin/env bash
# requirements/install.sh ENVIRONMENT: make .venv-ENVIRONMENT, which holds what requirements/ENVIRONMENT.txt lists.
# PYTHON=… names the interpreter. Without it the newest CPython from 3.11 to 3.14 on PATH is taken.
set -euo pipefail
cd "$(dirname "$0")/.."

environment=${1:?usage: requirements/install.sh ENVIRONMENT}
lock=requirements/$environment.txt
folder=.venv-$environment

refuse() {
  echo "$1" >&2
  exit 1
}

# Prints the minor version of a CPython that can make environments; fails for everything else, as a shim of nothing.
suitable_version() {
  "$1" -c '
import sys
if sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info[:2] <= (3, 14):
    sys.exit(1)
import ensurepip, venv
print(sys.version_info[1])' 2>/dev/null
}

newest_python() {
  local newest='' minor=0 candidate found
  for candidate in python3.14 python3.13 python3.12 python3.11 python3 python; do
    if found=$(suitable_version "$candidate") && ((found > minor)); then
      newest=$candidate minor=$found
    fi
  done
  [[ -n $newest ]] && echo "$newest"
}

case $environment:$(uname -s):$(uname -m) in
  *:Darwin:x86_64) refuse "ONNX Runtime has no wheels for Macs with Intel processors; use docker compose up instead" ;;
  gpu:Linux:*) ;;
  gpu:*) refuse "RUNTIME=gpu needs Linux with an NVIDIA driver; make run without it serves on the CPU" ;;
esac
[[ -f $lock ]] || refuse "there is no $lock; the environments are: $(cd requirements && echo *.txt | sed 's/\.txt//g')"

if [[ -n ${PYTHON:-} ]]; then
  suitable_version "$PYTHON" >/dev/null ||
    refuse "PYTHON=$PYTHON is not a CPython from 3.11 to 3.14 with the module venv; name another, or leave PYTHON out"
  python=$PYTHON
else
  python=$(newest_python) ||
    refuse "no Python from 3.11 to 3.14 with the module venv was found on PATH; install one \
(Debian and Ubuntu: apt install python3 python3-venv; macOS: brew install python), or say make PYTHON=/path/to/python"
fi

total=$(grep -c == "$lock" || true)
note=''
[[ $environment == dev ]] && note=' PyTorch is large: 2 to 10 minutes,'
echo "Installing $total packages into $folder with $("$python" --version) (once,$note)"
# What a killed installation left goes: the file `ready` is written last.
rm -rf "$folder"
"$python" -m venv "$folder"
# On a terminal one line counts the packages.
progress() {
  if [[ -t 1 ]]; then
    awk -v total="$total" '
      /^(Collecting|Processing|Ignoring)/ {printf "\r  %d of %d: %-60s", ++n, total, $2; fflush()}
      /^Installing/ {printf "\r  unpacking%-60s\n", " …"; fflush()}'
  else
    cat >/dev/null
  fi
}
# --no-deps: the lock is complete, and it names one build of OpenCV.
"$folder/bin/python" -m pip install --disable-pip-version-check --no-deps --require-hashes -r "$lock" \
  2>"$folder/errors" | progress || {
  cat "$folder/errors" >&2
  refuse "the installation into $folder failed; the next make starts it again"
}
touch "$folder/ready"
