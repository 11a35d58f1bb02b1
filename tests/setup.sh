#!/bin/sh
# Installs the Debian 12 packages that ashlar needs and this machine lacks. Quick and silent when nothing is missing.
#
#   tests/setup.sh                what a build and all tests need
#   tests/setup.sh --quickstart   what a build and examples/quickstart.sh need
#   tests/setup.sh --ceph         what a build and examples/ceph.sh need
#   tests/setup.sh --build-only   what a build without tests needs
#
# Exit codes: 0 all there, 1 something is missing and could not be installed, 2 usage.
set -eu

build="cmake ninja-build g++ pkg-config libboost1.81-dev libboost-context1.81-dev libtomlplusplus-dev libspdlog-dev libcli11-dev
  liburing-dev libssl-dev libseccomp-dev libxxhash-dev libnbd-dev libcurl4-openssl-dev librbd-dev libzstd-dev liblzma-dev"
# Makes the image and talks to the server.
quickstart="e2fsprogs libnbd-bin qemu-utils"
# Brings up a Ceph, and copies to it.
ceph="ceph-mon ceph-osd ceph-common python3 libnbd-bin"
# zstd, xz-utils: they make what the filters of these names unpack; catch2: unit tests; libbenchmark: benchmarks of the
# parts; clang: the headers compile with it too; clang-format: how the
# sources look; make, meson: modules are built with them too; doxygen: the reference of the SDK; gnutls-bin, openssl: TLS;
# prometheus: whether it can read the metrics; sqlite3, blktrace, nbdkit: they read what ashlar trace exports, nbdkit is
# asked again what a trace has, too; node-d3, libjs-dygraphs: they draw the page of ashlar trace report --html, which a build
# without them lacks; chromium-headless-shell: opens it; mandoc, groff, man-db: the manual; bash-completion, zsh, fish:
# completion; lintian, dpkg-dev, file: the packages; python3-yaml: recipes; nginx-light: the plugin curl reads of it; ceph-*: the plugin
# rbd serves of it; the rest: real clients, file systems, loop devices,
# faults; from qemu on: the kernel's own client in a virtual machine.
tests="zstd xz-utils catch2 libbenchmark-dev clang clang-format make meson doxygen fio python3 sqlite3 blktrace nbdkit
  mandoc groff-base man-db bash-completion zsh fish lintian dpkg-dev file python3-yaml nginx-light
  chromium-headless-shell node-d3 libjs-dygraphs python3-libnbd python3-xxhash systemd gnutls-bin openssl prometheus
  xfsprogs btrfs-progs util-linux iproute2 mount strace
  qemu-system-x86 busybox-static nbd-client kmod cpio"

case "${1:-}" in
  "") wanted="$build $quickstart $ceph $tests" ;;
  --quickstart) wanted="$build $quickstart" ;;
  --ceph) wanted="$build $ceph" ;;
  --build-only) wanted="$build" ;;
  *)
    echo "usage: tests/setup.sh [--build-only | --ceph | --quickstart]" >&2
    exit 2
    ;;
esac

missing_of() {
  for package in "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=""
    [ "$status" = installed ] || printf ' %s' "$package"
  done
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup.sh: this is not Debian; install the counterparts of: $wanted" >&2
  exit 1
fi

# Word splitting is meant: these are lists of package names.
missing=$(missing_of $wanted)
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "setup.sh: these packages are missing:$missing" >&2
  echo "setup.sh: run as root: apt-get update && apt-get install --no-install-recommends$missing" >&2
  exit 1
fi

echo "setup.sh: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# Another apt may be at work on a machine that has just started: wait for its lock rather than fail.
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing

missing=$(missing_of $wanted)
if [ -n "$missing" ]; then
  echo "setup.sh: still missing after apt-get:$missing" >&2
  exit 1
fi
