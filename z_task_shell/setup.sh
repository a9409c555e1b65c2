#!/usr/bin/env bash
# An environment with the packages that a recipe needs. A second run installs nothing.
#
#   bash z_task_shell/setup.sh                            what training needs
#   bash z_task_shell/setup.sh requirements-test.txt      that and more files
#
# IQA_PYTHON chooses the interpreter (3.10 or newer), IQA_VENV the environment's folder (default: .venv here).
# IQA_TORCH_INDEX is the address of a package index for torch and torchvision alone. Without an NVIDIA GPU set it
# to PyTorch's CPU wheel index (pytorch.org, Get started): a few hundred MB in place of 4 GB of CUDA libraries.
#
# Other recipes source this file, which answers their --help, and call `setup FILE...`, which leaves the
# environment's python in $PYTHON.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

say() { printf '%s\n' "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

# The comment at the head of a recipe is its help.
show_help() {
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$1"
  ! grep -q '^exec .*/main.py"' "$1" ||
    printf '\nAny flag of main.py may follow, and wins over that of the recipe: python main.py --help lists them.\n'
}
for word in "$@"; do
  case "$word" in -h | --help) show_help "$0"; exit 0 ;; esac
done

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; }

find_python() {
  if [ -n "${IQA_PYTHON:-}" ]; then
    new_enough "$IQA_PYTHON" || fail "IQA_PYTHON=$IQA_PYTHON is no Python of 3.10 or newer"
    printf '%s\n' "$IQA_PYTHON"
    return
  fi
  local name
  for name in python3 python3.13 python3.12 python3.11 python3.10 python; do
    if new_enough "$name"; then printf '%s\n' "$name"; return; fi
  done
  fail "no Python 3.10 or newer found: install one, or name it with IQA_PYTHON=/path/to/python"
}

# bin/ everywhere but on Windows.
venv_python() {
  if [ -x "$1/Scripts/python.exe" ]; then printf '%s\n' "$1/Scripts/python.exe"
  else printf '%s\n' "$1/bin/python"; fi
}

make_venv() {
  local venv="$1" python="$2"
  say "making an environment in $venv with $("$python" --version 2>&1)"
  "$python" -m venv "$venv" >&2 || fail "could not make an environment: does this Python have its venv module" \
    "(Debian and Ubuntu: the package python3-venv)? IQA_PYTHON can name another one"
}

# Says which stamp a requirement file has when it is installed: its content and the Python version.
stamp_of() {
  "$1" -c 'import hashlib, sys; print(hashlib.sha256(sys.version.encode() + open(sys.argv[1], "rb").read()).hexdigest())' "$2"
}

# torch and torchvision from IQA_TORCH_INDEX; what they need themselves comes with everything else.
install_torch() {
  say "torch and torchvision come from IQA_TORCH_INDEX"
  grep -E '^torch(vision)?[^a-z-]' "$ROOT/requirements.txt" >"$1/torch.txt"
  "$PYTHON" -m pip install --no-deps --index-url "$IQA_TORCH_INDEX" -r "$1/torch.txt" >&2
}

setup() {
  local venv="${IQA_VENV:-$ROOT/.venv}" file arguments=() stale=()
  PYTHON="$(venv_python "$venv")"
  # A run that was killed half-way leaves an environment without pip: it is made again.
  if ! { new_enough "$PYTHON" && "$PYTHON" -c 'import pip' >/dev/null 2>&1; }; then
    local python
    python="$(find_python)"
    make_venv "$venv" "$python"
    PYTHON="$(venv_python "$venv")"
  elif [ -n "${IQA_PYTHON:-}" ] && [ "$("$IQA_PYTHON" --version 2>&1)" != "$("$PYTHON" --version 2>&1)" ]; then
    fail "$venv has $("$PYTHON" --version 2>&1), not IQA_PYTHON's: delete it, or name another folder with IQA_VENV"
  fi
  for file in requirements.txt "$@"; do
    arguments+=(-r "$ROOT/$file")
    [ "$(cat "$venv/.stamps/$file" 2>/dev/null)" = "$(stamp_of "$PYTHON" "$ROOT/$file")" ] || stale+=("$file")
  done
  if [ ${#stale[@]} -eq 0 ]; then
    say "$venv is up to date, nothing to install${IQA_TORCH_INDEX:+ (another torch, IQA_TORCH_INDEX: delete it first)}"
    return
  fi
  say "installing ${stale[*]} into $venv (the first time this downloads a few GB and takes minutes)"
  [ -z "${IQA_TORCH_INDEX:-}" ] || install_torch "$venv"
  "$PYTHON" -m pip install "${arguments[@]}" >&2
  mkdir -p "$venv/.stamps"
  for file in "${stale[@]}"; do stamp_of "$PYTHON" "$ROOT/$file" >"$venv/.stamps/$file"; done
  say "done"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then setup "$@"; fi
