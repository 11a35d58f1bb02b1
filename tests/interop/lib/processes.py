"""Starting other programs so that nothing outlives the test, and looking at them through /proc."""

import ctypes
import os
import pathlib
import signal
import subprocess

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    # Even a test that is killed leaves no server behind.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def start(command, **how):
    return subprocess.Popen([str(word) for word in command], preexec_fn=_die_with_parent, **how)


def run(*command, timeout=300, ok=True):
    """Runs a client and returns its stdout and stderr. With ok=True a failing client fails the test, with what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, preexec_fn=_die_with_parent)
    if ok and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout if ok else done


def open_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory: it has ended")
