"""The Debian packages: made, without fault for lintian, installed and removed in a copy of this machine's root, and served from; and
what examples/recipes/Dockerfile does with them."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest

from frame import BUILD, PROGRAM, ROOT, Case, main, run

MODULES = json.loads(run(PROGRAM, "list", "--json"))
# Modules that are built here and have packages of their own, and the packages that they need.
OWN = {"curl": "libcurl4", "nbd": "libnbd0", "rbd": "librbd1", "xz": "liblzma5", "zstd": "libzstd1"}
OWN = {module["name"]: OWN[module["name"]] for module in MODULES if module["name"] in OWN}
CONTACT = "the ashlar authors <ashlar@debian.org>"  # lintian wants an address outside
# In a mount namespace of its own: what is written to / goes to memory.
ENTER = """
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root" || exit 77
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mkdir "$1/root/packages"
cp "$2"/*.deb "$1/root/packages"
mkdir "$1/root/src"
mount --bind "$4" "$1/root/src"
mount -o remount,bind,ro "$1/root/src"
mount -t tmpfs tmpfs "$1/root/src/build"
ip link set lo up
exec chroot "$1/root" sh -euc "$3"
"""
# The machine's index of all manual pages need not be made anew. apt knows what is installed and nothing else.
BEGIN = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
rm -rf /var/lib/man-db/auto-update /etc/apt/sources.list /etc/apt/sources.list.d/*
"""


class Packages(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.packages = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="ashlar-packages-"))
        cls.made = run("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", cls.packages, "-D",
                       f"CPACK_PACKAGE_CONTACT={CONTACT}")

    def files(self):
        files = sorted(pathlib.Path(self.packages).glob("*.deb"))
        names = [file.name.split("_")[0] for file in files]
        self.assertEqual(sorted(names), ["ashlar", *sorted(f"ashlar-modules-{name}" for name in OWN), "libashlar-dev"])
        return dict(zip(names, files))

    def in_copy_of_root(self, script):
        """What a script prints that has the packages in /packages, the tree in /src, and no network."""
        space = self.folder / "space"
        space.mkdir()
        words = ["unshare", "--mount", "--net", "--pid", "--fork", "--propagation", "private", "sh", "-euc", ENTER,
                 "sh", space, self.packages,
                 BEGIN + script, ROOT]
        done = run(*words, ok=False)
        if done.returncode == 77:
            raise unittest.SkipTest("no overlay of / can be mounted here")
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_lintian_finds_no_error(self):
        said = run("lintian", "--allow-root", "--fail-on", "none", *self.files().values())
        self.assertNotRegex(said, r"(?m)^E: ")

    def field(self, package, name):
        return subprocess.run(["dpkg-deb", "-f", self.files()[package], name], check=True, capture_output=True, text=True).stdout

    def test_they_need_what_the_programs_are_linked_with(self):
        for package, needed in (("ashlar", ("libc6", "liburing2", "libstdc++6")), ("libashlar-dev", ("libc6", "libstdc++6")),
                                *((f"ashlar-modules-{name}", ("ashlar", OWN[name])) for name in OWN)):
            depends = self.field(package, "Depends")
            for other in needed:
                self.assertRegex(depends, rf"(^|, ){re.escape(other)} ")

    def test_who_installs_the_server_needs_no_library_of_single_modules(self):
        depends = self.field("ashlar", "Depends")
        for library in ("libnbd0", "librbd1", "librados2", "libcurl4", "liblzma5", "libzstd1"):
            self.assertNotIn(f"{library} ", depends)

    def test_each_module_is_in_one_package(self):
        found = {}
        for package, file in self.files().items():
            for line in run("dpkg-deb", "-c", file).splitlines():
                if module := re.search(r" \./usr/lib/ashlar/(plugins|filters)/([^/]+)\.so$", line):
                    found.setdefault(module[2], []).append(package)
                if page := re.search(r"/man7/ashlar-([^/]+)\.7\.gz$", line):
                    self.assertEqual(package, f"ashlar-modules-{page[1]}" if page[1] in OWN else "ashlar", page[1])
        self.assertEqual(found, {module["name"]: [f"ashlar-modules-{module['name']}" if module["name"] in OWN else "ashlar"]
                                 for module in MODULES})

    def test_an_installed_package_serves_and_goes_without_a_trace(self):
        said = self.in_copy_of_root("""
dpkg -i /packages/ashlar_*.deb /packages/libashlar-dev_*.deb
ashlar list --json
dpkg -i /packages/ashlar-modules-*.deb
ashlar list
installed=$(dpkg-query -W -f '${Package} ' 'ashlar*' libashlar-dev)
dpkg --verify $installed
cd /usr/share/doc/ashlar/examples
mkdir /disks
cp exports.toml /disks
truncate -s 4M /disks/disk.img
ashlar check /disks/exports.toml
ashlar serve /disks/disk.img --run 'nbdinfo $uri' 2>/dev/null
systemd-analyze verify /usr/lib/systemd/system/ashlar.service /usr/lib/systemd/system/ashlar.socket
grep ^ExecStart= /usr/lib/systemd/system/ashlar*.service
for page in ashlar ashlar-trace ashlar.toml ashlar-file; do
  man -w $page
done
bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader ashlar; complete -p ashlar'
zsh -fc 'autoload -Uz compinit; compinit -u -D; print -r -- zsh completes by $_comps[ashlar]'
pkg-config --modversion ashlar-sdk
test -f /usr/share/doc/ashlar/changelog.gz
test -f /usr/share/doc/ashlar/copyright
test -f /usr/share/doc/ashlar/filters/trace/FORMAT.md
dpkg --purge $installed
find / -xdev -newer /packages -name '*ashlar*' -not -path '/packages*' -not -path '/tmp/*' -not -path '/proc/*' | sed 's/^/left: /'
""")
        for words in ("OK", "export-size: 4194304", "/usr/share/man/man1/ashlar-trace.1.gz", "/usr/share/man/man5/ashlar.toml.5.gz",
                      "/usr/share/man/man7/ashlar-file.7.gz", "complete -F _ashlar ashlar", "zsh completes by _ashlar", "\n1.0.0\n",
                      "Removing ashlar ",
                      "ashlar.service:ExecStart=/usr/bin/ashlar serve", "ashlar@.service:ExecStart=/usr/bin/ashlar serve"):
            self.assertIn(words, said)
        self.assertNotIn("left: ", said)
        self.assertEqual({name for name in OWN if re.search(f'"name": *"{name}"', said)}, set())  # before their packages were there
        for name in OWN:
            self.assertRegex(said, rf"(?m)^ +{name} ")

    def test_the_container_of_the_recipe_serves(self):
        # Its lines are run in the copy of this machine's root, which stands for both stages, but for those that compile and pack,
        # which have been done here.
        lines = [line.split(" ", 1) for line in (ROOT / "examples" / "recipes" / "Dockerfile").read_text().splitlines()
                 if line and not line.startswith("#")]
        second = max(number for number, (word, _) in enumerate(lines) if word == "FROM")
        build, serve = lines[:second], lines[second:]
        self.assertEqual([rest for word, rest in build if word == "RUN"][2:],
                         ["cmake --build build", "cpack -G DEB --config build/CPackConfig.cmake -B /packages"])
        said = dict(serve)
        program = json.loads(said["ENTRYPOINT"]) + json.loads(said["CMD"])
        config, place = said["COPY"].split()
        self.assertIn(["COPY", "--from=build /packages/ashlar_*.deb /packages/"], serve)
        self.assertEqual(place, program[-1])
        said = self.in_copy_of_root("\n".join([
            "cd /src", *[rest for word, rest in build if word == "RUN"][:2], said["RUN"],
            f"mkdir -p {place.rpartition('/')[0]} {said['VOLUME']}",
            f"cp {config} {place}", f"truncate -s 4M {said['VOLUME']}/disk.img", f"chmod 666 {said['VOLUME']}/disk.img",
            f"mkfifo /ready; setpriv --reuid {said['USER']} --regid nogroup --clear-groups "
            f"{' '.join(program)} --ready-fd 9 9>/ready & server=$!",
            "grep -q READY=1 /ready", f"nbdinfo nbd://localhost:{said['EXPOSE'].split()[0]}",
            "kill $server; wait $server; echo ended well"]))
        self.assertIn("export-size: 4194304", said)
        self.assertIn("ended well", said)


if __name__ == "__main__":
    main(needs_root=True, needs=("cpack", "dpkg-deb", "lintian", "unshare", "gzip", "zsh"))
