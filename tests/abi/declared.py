"""What a header of the C boundary declares: its structs, its numbers and what else it names, without its comments."""
import re

# They say what a revision knows, and grow with it.
GROWING = {"ASHLAR_ABI_MINOR", "ASHLAR_OPS_KNOWN", "ASHLAR_FLAGS_KNOWN", "ASHLAR_TRAITS_KNOWN"}


class Declared:
    """`structs`: of each its members, in order, each as (name, declaration); a struct that is only named has none.
    `numbers`: of each macro without parameters its value, as text; `others`: macros with parameters and typedefs."""

    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
        self.structs = {name: self._members(body) for name, body in re.findall(r"^struct (\w+) \{(.*?)^\};", text, re.M | re.S)}
        self.structs |= {name: [] for name in re.findall(r"^struct (\w+);", text, re.M)}
        self.numbers = {name: value.strip() for name, value in re.findall(r"^#define (\w+)[ ]+(\S.*)$", text, re.M)
                        if name != "ASHLAR_NOEXCEPT"}
        self.others = {" ".join(found.split()) for found in re.findall(r"^#define \w+\(.*$|^typedef [^;]*;", text, re.M)}

    @staticmethod
    def _members(body):
        members = []
        for declaration in body.split(";")[:-1]:
            words = " ".join(declaration.split()).replace(")ASHLAR_NOEXCEPT", ") ASHLAR_NOEXCEPT")
            pointer = re.search(r"\(\*(\w+)\)", words)
            names = [pointer.group(1)] if pointer else re.findall(r"(\w+)(?=,|$)", words)
            members += [(name, words) for name in names]
        return members

    def grows(self, struct):
        """Whether the struct may grow at its tail."""
        return bool(self.structs[struct]) and self.structs[struct][0][0] == "struct_size"

    def numbers_to_keep(self):
        return {name: value for name, value in self.numbers.items() if name not in GROWING}


def _value(text):
    """The number in "UINT64_C(0x7f)" or "0u"."""
    return int(re.findall(r"0x[0-9a-f]+|\d+", text)[-1], 0)


def _begins_with(members, old):
    """Whether `members` begin with the old ones; what was reserved may have got another name."""
    def same(one, before):
        if before[0] == "reserved":
            return one[1].rsplit(" ", 1)[0] == before[1].rsplit(" ", 1)[0]
        return one == before

    return len(members) >= len(old) and all(map(same, members, old))


def changes(old, new):
    """What is otherwise in `new` than an old module relies on, a line each."""
    found = []
    for struct, members in old.structs.items():
        now = new.structs.get(struct)
        if now is None:
            found.append(f"{struct} is gone")
        elif not _begins_with(now, members):
            found.append(f"{struct} has changed")
        elif len(now) != len(members) and not old.grows(struct):
            found.append(f"{struct} is frozen and has grown")
    for name, value in old.numbers_to_keep().items():
        if new.numbers.get(name) != value:
            found.append(f"{name} is {new.numbers.get(name)} instead of {value}")
    for name in GROWING:
        before, now = (_value(declared.numbers[name]) for declared in (old, new))
        if now < before or (name != "ASHLAR_ABI_MINOR" and before & ~now):
            found.append(f"{name} has become less")
    found += [f"{text} is gone" for text in sorted(old.others - new.others)]
    return found


def layout_test(old, sizes_of):
    """A program in C and C++ that compiles where each member that `old` declares is where `sizes_of` says, the structs
    are as long or, if they may grow, longer, and the numbers are the same. `sizes_of`: {"struct" or "struct.member":
    bytes}; of a struct its size, of a member (offset, size)."""
    lines = ["#include <ashlar/abi.h>", "#ifdef __cplusplus", "#define HOLDS(c, text) static_assert(c, text)", "#else",
             "#define HOLDS(c, text) _Static_assert(c, text)", "#endif"]
    for struct, members in old.structs.items():
        if members:
            relation = ">=" if old.grows(struct) else "=="
            lines.append(f'HOLDS(sizeof(struct {struct}) {relation} {sizes_of[struct]}, "{struct}");')
        for name in [name for name, _ in members if name != "reserved"]:
            offset, size = sizes_of[f"{struct}.{name}"]
            what = f"struct {struct}, {name}"
            lines.append(f'HOLDS(offsetof({what}) == {offset}, "{struct}.{name}");')
            lines.append(f'HOLDS(sizeof(((struct {struct}*)0)->{name}) == {size}, "{struct}.{name}");')
    for name, value in old.numbers_to_keep().items():
        if not value.startswith('"'):
            lines.append(f'HOLDS({name} == {value}, "{name}");')
    return "\n".join(lines) + "\n"


def measuring_program(old):
    """A program in C that prints what layout_test() takes as `sizes_of`, as rows of a Python dict."""
    rows = []
    for struct, members in old.structs.items():
        if members:
            rows.append(f'printf("\\"{struct}\\": %zu,\\n", sizeof(struct {struct}));')
        for name, _ in members:
            rows.append(f'printf("\\"{struct}.{name}\\": (%zu, %zu),\\n", offsetof(struct {struct}, {name}), '
                        f'sizeof(((struct {struct}*)0)->{name}));')
    return "#include <ashlar/abi.h>\n#include <stdio.h>\nint main(void) {\n" + "\n".join(rows) + "\nreturn 0;\n}\n"
