"""What both halves of a check use, in the guest and on the host: running programs, looking at files."""

import pathlib
import subprocess
import sys

MIB = 1 << 20
BLOCK = 4096

# The frame of the tests with other clients: the server, configs, raw NBD.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))


def start(*command):
    """A program that runs beside the check."""
    words = [str(word) for word in command]
    # Without preexec_fn, and so without a fork of this process, which is dear under emulation.
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)


def finish(process):
    """Waits for a program, which has to succeed; returns what it has printed."""
    said, _ = process.communicate()
    if process.returncode != 0:
        raise AssertionError(f"{' '.join(process.args)}: exit code {process.returncode}\n{said}")
    return said


def run(*command):
    return finish(start(*command))


def first_line(error):
    """What an exception says, in short."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def holds(what, message):
    if not what:
        raise AssertionError(message)


def bytes_at(path, offset, length):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)


def same(found, wanted, what):
    """Equal bytes; says where they part instead of printing megabytes."""
    if found == wanted:
        return
    holds(len(found) == len(wanted), f"{what}: {len(found)} bytes instead of {len(wanted)}")
    first = next(place for place, (one, other) in enumerate(zip(found, wanted)) if one != other)
    here = slice(first, first + 16)
    raise AssertionError(f"{what} differs first at byte {first}: {found[here]!r}, not {wanted[here]!r}")


def block(number):
    """4 KiB that tell which block of a disk they are."""
    return (b"%015d\n" % number) * (BLOCK // 16)


def blocks(length, first=0):
    """Bytes of a disk from the block `first` on; `length` is a multiple of a block."""
    return b"".join(block(number) for number in range(first, first + length // BLOCK))


def tree(folder):
    """{path: bytes} of all files below a folder."""
    folder = pathlib.Path(folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def fio(name, path, *words):
    """The command of a fio job that verifies what it wrote. The seed makes it the same blocks in the same order each
    time."""
    return ("fio", f"--name={name}", f"--filename={path}", "--rw=randwrite", "--randseed=4711", "--ioengine=libaio",
            "--direct=1", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--eta=never", *words)
