#!/usr/bin/env bash
# Create .venv with the versions of requirements.txt, or .venv-STACK with those of
# requirements/STACK.txt if a stack is named, by pip; do nothing when it is up to date.
# PYTHON, TORCH_INDEX_URL and pip's own settings choose the sources. After an interruption the
# environment is made anew, from the files that pip has downloaded and built.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv${1:+-$1} pins=requirements${1:+/$1}.txt
say() { echo "[set-up] $*"; }
stop() { say "stopped: $*" >&2; exit 1; }
pinned() { grep -hE "^($1)==" $pins requirements/common.txt; }
pip_install() { $venv/bin/python -m pip install "$@"; }
mmcv_works() { $venv/bin/python -c 'import torch, mmcv._ext'; }

exec 9<.  # one set-up at a time; a step that outlives this script counts as running
if command -v flock >/dev/null && ! flock -n 9; then
    say 'another set-up of this repository is running: waiting for it ...'
    flock 9
fi

python=${PYTHON:-python3} done_file=$venv/mmvod_done unfinished=$venv/mmvod_unfinished
this=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') ||
    stop "$python cannot be started: name an interpreter, as in make setup PYTHON=python3.11"
key=$(cat $pins {requirements/common,docs/requirements}.txt setup.cfg setup.py tools/setup_env.sh | cksum)
version='' index='' old_key='' root=''
[ ! -e $done_file ] || { read -r version; read -r index; read -r old_key; read -r root; } <$done_file
# What is not named stays as it is.
wanted="${PYTHON:+$this} ${TORCH_INDEX_URL:-$index} $PWD"
if [ -e $unfinished ] || { [ "$root" ] && [ "${PYTHON:+$version} $index $root" != "$wanted" ]; }; then
    say "$venv is incomplete or was made for something else: making it anew"
    rm -rf $venv
elif [ "$old_key" = "$key" ]; then
    exit 0
fi
index=${TORCH_INDEX_URL:-$index}

if [ ! -e $venv ]; then
    case $this in
        3.10 | 3.11 | 3.12) version=$this ;;
        *) stop "Python $this cannot be used, it must be 3.10 to 3.12: make setup PYTHON=python3.11" ;;
    esac
    mkdir $venv
    touch $unfinished
    "$python" -m venv $venv
fi
$venv/bin/python -m pip --version || stop "$venv has no working pip: remove it"
[ ! -e $done_file ] || touch $unfinished  # an environment made by hand is completed, never removed
pip_install --upgrade pip $(pinned 'setuptools|wheel|ninja')
pip_install "$(pinned torch)" ${index:+--index-url "$index"}
# mmcv compiles its operators against this torch, which an isolated build would not see.
mmcv=(--no-deps --no-build-isolation "$(pinned '(onedl-)?mmcv')")
say 'mmcv: 5 to 30 minutes where no wheel is offered'
pip_install "${mmcv[@]}"
pip_install -r $pins
pip_install --no-deps --no-build-isolation -e .
# A wheel that pip kept from an earlier build may belong to another torch.
mmcv_works || pip_install --force-reinstall --no-cache-dir "${mmcv[@]}"
mmcv_works || stop "mmcv's compiled operators cannot be used: see docs/troubleshooting.md"
printf '%s\n' "${version:-$this}" "$index" "$key" "$PWD" >$unfinished
mv $unfinished $done_file
say 'complete; the next run skips it'
