#!/bin/sh
# The trainer's container. `sweep …` and `train …` train into /runs and publish the winner into /models, where a running service finds
# it by itself; `export …` is the exporter; anything else is a command of the trainer.
set -eu

# The shell is process 1: it hands `docker stop` on, and the run goes on where it was when started again.
interruptible() {
    "$@" &
    child=$!
    trap 'kill -TERM "$child"' INT TERM
    status=0
    wait "$child" || status=$?
    trap - INT TERM
    return "$status"
}

publish() {
    name=${CXR_BUNDLE_NAME:-trained}
    version=${CXR_BUNDLE_VERSION:-$(date -u +%Y%m%d.%H%M%S)}
    # Hours of training must not end without a bundle: where nobody states whom it is for, it is for anybody.
    if [ -n "${CXR_BUNDLE_POPULATION:-}" ]; then
        set -- "$1" --population "$CXR_BUNDLE_POPULATION" --ages "${CXR_BUNDLE_AGES:-any}"
    else
        set -- "$1" --anybody
    fi
    run=$1
    shift
    interruptible python -m export bundle --run "$run" --name "$name" --version "$version" --out /models --make-current "$@"
}

case ${1:-help} in
help | --help | -h)
    python -m trainer --help
    python -m export --help
    ;;
sweep | train)
    run=
    previous=
    for argument in "$@"; do
        case $argument in --out=*) run=${argument#--out=} ;; esac
        [ "$previous" = --out ] && run=$argument
        previous=$argument
    done
    if [ -z "$run" ]; then
        run=/runs/$(date -u +%Y%m%d-%H%M%S)
        set -- "$@" --out "$run"
    fi
    interruptible python -m trainer "$@"
    # Of an indexed Job of Kubernetes, the pods train one run together, and the first publishes it.
    [ "${JOB_COMPLETION_INDEX:-0}" != 0 ] || publish "$run"
    ;;
export)
    shift
    exec python -m export "$@"
    ;;
*)
    exec python -m trainer "$@"
    ;;
esac
