#!/usr/bin/env bash
# deploy/release/smoke.sh: start the service by `make run`, ask it for an answer and a heat map of one film, and stop it.
# PYTHON=… names the interpreter, CXR_PORT the port (default 8000). Exit status 0 where everything worked.
set -euo pipefail
cd "$(dirname "$0")/../.."

export CXR_PORT=${CXR_PORT:-8000}
address=http://127.0.0.1:$CXR_PORT
folder=$(mktemp -d)

make run >"$folder/log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" || true; rm -rf "$folder"' EXIT

for _ in $(seq 300); do
  curl --silent --fail --output /dev/null "$address/readyz" && break
  kill -0 "$server" 2>/dev/null || break # the installation or the start failed
  sleep 1
done

fail() {
  echo "smoke: $1" >&2
  tail -n 40 "$folder/log" >&2
  exit 1
}

curl --silent --fail --output /dev/null "$address/readyz" || fail "the service is not ready"
# A drawing, because no film is committed.
.venv-cpu/bin/python - "$folder/film.png" <<'END'
import sys

import cv2

from imaging.phantom import phantom

cv2.imwrite(sys.argv[1], phantom(900, 800, seed=1))
END
curl --silent --fail --form "file=@$folder/film.png" --output "$folder/answer" "$address/predict" ||
  fail "/predict gave no answer"
grep -q '"decision"' "$folder/answer" || fail "the answer holds no decision"
curl --silent --fail --form "file=@$folder/film.png" --header 'Accept: image/png' --output "$folder/heat" \
  "$address/explain" || fail "/explain gave no picture"
echo "smoke: $(.venv-cpu/bin/python --version), $(uname -sm): ready, one film answered, one heat map drawn"
