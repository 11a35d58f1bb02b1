"""The command "fibers" for gdb: the calls of each fiber that is put aside, or at rest, of a process or a core (x86-64).

    gdb -p PID -x host/fiber/gdb.py -ex fibers
"""

import gdb
import gdb.unwinder

# Where jump_fcontext of Boost.Context 1.81 leaves the registers, from the saved stack pointer on; behind them the stack goes on.
SAVED = {"r12": 0x10, "r13": 0x18, "r14": 0x20, "r15": 0x28, "rbx": 0x30, "rbp": 0x38, "rip": 0x40}
REST = 0x48
# The first members of a Fiber.
NEXT, CONTEXT = 0, 16


def word(address):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, 8).tobytes(), "little")


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = gdb.Value(sp), gdb.Value(pc)


class OfFiber(gdb.unwinder.Unwinder):
    """Has the calls of a fiber stand where those of the selected thread would."""

    def __init__(self):
        super().__init__("fiber")
        self.context = None

    def __call__(self, pending):
        if self.context is None or pending.level() != 0:
            return None
        of = pending.create_unwind_info(FrameId(self.context, word(self.context + SAVED["rip"])))
        kind = gdb.lookup_type("unsigned long")
        for name, place in SAVED.items():
            of.add_saved_register(name, gdb.Value(word(self.context + place)).cast(kind))
        of.add_saved_register("rsp", gdb.Value(self.context + REST).cast(kind))
        return of


class Fibers(gdb.Command):
    def __init__(self):
        super().__init__("fibers", gdb.COMMAND_STACK)
        self.unwinder = OfFiber()
        gdb.unwinder.register_unwinder(None, self.unwinder, replace=True)

    def invoke(self, argument, from_tty):
        fiber = word(int(gdb.parse_and_eval("(long)&'ashlar::host::Fiber::first'")))
        while fiber != 0:
            self.unwinder.context = word(fiber + CONTEXT)
            try:
                print(f"Fiber {fiber:#x}:" + ("" if self.unwinder.context else " it runs; see the threads"))
                if self.unwinder.context:
                    gdb.invalidate_cached_frames()
                    print("\n".join(gdb.execute("backtrace " + argument, to_string=True).splitlines()[1:]))
            finally:
                self.unwinder.context = None
                gdb.invalidate_cached_frames()
            fiber = word(fiber + NEXT)


Fibers()
