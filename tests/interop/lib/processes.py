"""Starting other programs so that nothing outlives the test, and looking at them through /proc."""

import ctypes
import os
import pathlib
import signal
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    # Even a test that is killed leaves no server behind.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def start(command, before=None, **how):
    """`before` is called in the new process, before it becomes the program."""
    def prepare():
        if before is not None:
            before()
        _die_with_parent()  # last: who becomes another user is no longer watched
    return subprocess.Popen([str(word) for word in command], preexec_fn=prepare, **how)


def run(*command, timeout=300, ok=True):
    """Runs a client and returns its stdout and stderr. With ok=True a failing client fails the test, with what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, preexec_fn=_die_with_parent)
    if ok and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout if ok else done


def halt(pid):
    """Stops a process with all its threads, until SIGCONT. One that runs at the moment goes on for a little behind the signal: it
    has stopped when this returns."""
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 60
    while not all(_is_stopped(thread) for thread in pathlib.Path(f"/proc/{pid}/task").iterdir()):
        if time.monotonic() > end:
            raise AssertionError(f"process {pid} does not stop")
        time.sleep(0.001)


def _is_stopped(thread):
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return True  # it has ended meanwhile


def open_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def open_files(pid):
    """What its descriptors lead to."""
    found = []
    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(descriptor))
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def open_sockets(pid):
    """How many of its descriptors are sockets: of clients, and listening ones."""
    return sum(path.startswith("socket:") for path in open_files(pid))


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def cpu_seconds(pid):
    """What it has used so far, in user space and in the kernel."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory: it has ended")
