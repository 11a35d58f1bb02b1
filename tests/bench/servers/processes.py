"""Starting servers and clients so that nothing outlives the benchmark, and what they used, through /proc (proc(5))."""

import ctypes
import os
import pathlib
import signal
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_TICK = os.sysconf("SC_CLK_TCK")


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def start(command, **how):
    return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent, **how)


def output(command, timeout=600):
    """What a client prints; RuntimeError with what it complains of when it fails."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, preexec_fn=_die_with_parent)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


class Daemon:
    """A process that has left the one that was started, seen like one that start() gave."""

    def __init__(self, started, pid_file, patience=10):
        started.wait(patience)
        end = time.monotonic() + patience
        while not (pid_file.exists() and pid_file.read_text().strip()):
            if time.monotonic() > end:
                raise RuntimeError(f"{pid_file.name} does not come")
            time.sleep(0.001)
        self.pid, self.stdout, self._over = int(pid_file.read_text()), None, False

    def poll(self):
        if not self._over:
            self._over = os.waitpid(self.pid, os.WNOHANG) != (0, 0)  # ours, as adopt_orphans() was called
        return 0 if self._over else None

    def wait(self, patience=None):
        end = None if patience is None else time.monotonic() + patience
        while self.poll() is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("daemon", patience)
            time.sleep(0.001)

    def terminate(self):
        if not self._over:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self):
        if not self._over:
            os.kill(self.pid, signal.SIGKILL)


def adopt_orphans():
    """Makes daemons that our processes start ours (prctl(2))."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stop(process):
    """Ends a process that start() gave, or a Daemon."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def _family(pid):
    """The process and its children: some servers fork one per connection."""
    try:
        return [pid, *map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    except OSError:
        return [pid]


def cpu_seconds(pid):
    """User and system time so far, of children that have ended, too. It moves in ticks of 10 ms."""
    ticks = 0
    for one in _family(pid):
        try:
            ticks += sum(map(int, pathlib.Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:15]))
        except OSError:
            pass
    return ticks / _TICK


def threads(pid):
    return sum(len(os.listdir(f"/proc/{one}/task")) for one in _family(pid) if os.path.exists(f"/proc/{one}/task"))


def resident_mib(pid):
    total = 0
    for one in _family(pid):
        try:
            status = pathlib.Path(f"/proc/{one}/status").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return total / 1024
