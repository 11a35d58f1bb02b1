"""The guest's kernel: Debian's own, taken out of its package without installing that, and the initramfs it starts
with."""

import pathlib
import shutil
import subprocess
import tempfile
import zlib

# What the guest loads, in this order; what they need is found in the package's own lists.
MODULES = ("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "nbd", "ext4", "xfs", "loop", "tcp_diag", "tls", "ctr", "gcm",
           "ghash_generic")
PARAMETERS = {"nbd": "nbds_max=32"}
HERE = pathlib.Path(__file__).resolve().parent


class Missing(Exception):
    """The kernel cannot be had here."""


def _output(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode != 0:
        raise Missing(f"{' '.join(map(str, command))}: {done.stdout.strip()}")
    return done.stdout


def _package_name():
    """linux-image-amd64 is the newest kernel's package by dependency."""
    for line in _output("apt-cache", "depends", "linux-image-amd64").splitlines():
        if line.strip().startswith("Depends: linux-image-"):
            return line.split()[1]
    raise Missing("apt knows no package of the kernel")


def _download(folder):
    """The package as a file in `folder`. Lists that are not there, or too old, are fetched first."""
    try:
        _output("apt-get", "-q", "download", _package_name(), cwd=folder)
    except Missing:
        _output("apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "update")
        _output("apt-get", "-q", "download", _package_name(), cwd=folder)
    return next(folder.glob("*.deb"))


def _unpack(package, folder):
    """Into `folder`: vmlinuz, the modules that are wanted, and `list`, in the order in which they can be loaded."""
    tree = package.parent / "tree"
    _output("dpkg-deb", "-x", package, tree)
    version = next((tree / "lib/modules").iterdir()).name
    shutil.move(tree / "boot" / f"vmlinuz-{version}", folder / "vmlinuz")
    _output("depmod", "-b", tree, version)
    show = ("modprobe", "-C", "/dev/null", "-d", tree, "-S", version, "--show-depends")
    paths = []
    for module in MODULES:
        for line in _output(*show, module).splitlines():
            kind, path = line.split()[:2]
            if kind == "insmod" and path not in paths:
                paths.append(path)
    with open(folder / "list", "w") as names:
        for path in map(pathlib.Path, paths):
            shutil.copy(path, folder)
            print(path.name, PARAMETERS.get(path.stem, ""), file=names)


def provide(cache):
    """The folder with vmlinuz and the modules. The first call makes it, which takes a download of 70 MB; runs at the
    same time do not disturb each other. Raises Missing."""
    folder = cache / f"kernel-{zlib.crc32(repr((MODULES, PARAMETERS)).encode()):08x}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unpacking-", dir=cache) as work:
        work = pathlib.Path(work)
        (work / "kernel").mkdir()
        _unpack(_download(work), work / "kernel")
        try:
            (work / "kernel").rename(folder)
        except OSError:
            if not folder.exists():  # another run was faster
                raise
    return folder


def write_initramfs(kernel, target):
    """busybox, the modules and init, as the kernel wants them."""
    with tempfile.TemporaryDirectory(prefix="initramfs-", dir=target.parent) as tree:
        tree = pathlib.Path(tree)
        (tree / "bin").mkdir()
        shutil.copy("/bin/busybox", tree / "bin")
        shutil.copy(HERE / "init", tree)
        shutil.copytree(kernel, tree / "modules", ignore=shutil.ignore_patterns("vmlinuz"))
        names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
        with open(target, "wb") as archive:
            subprocess.run(["cpio", "--create", "--format=newc", "--quiet", "--owner=0:0"], cwd=tree,
                           input=names.encode(), stdout=archive, check=True)
