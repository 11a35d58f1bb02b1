"""The Debian packages: made, without fault for lintian, installed and removed in a copy of this machine's root, and served from."""

import pathlib
import re
import subprocess
import tempfile
import unittest

from frame import BUILD, Case, main, run

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
exec chroot "$1/root" sh -euc "$3"
"""
# The machine's index of all manual pages need not be made anew.
INSTALL = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
cd /packages
rm -f /var/lib/man-db/auto-update
dpkg -i *.deb
"""


class Packages(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.packages = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="ashlar-packages-"))
        cls.made = run("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", cls.packages, "-D", f"CPACK_PACKAGE_CONTACT={CONTACT}")

    def files(self):
        files = sorted(pathlib.Path(self.packages).glob("*.deb"))
        self.assertEqual([file.name.split("_")[0] for file in files], ["ashlar", "libashlar-dev"])
        return files

    def installed(self, script):
        """What the script prints when the packages have been installed. It is followed by their removal."""
        space = self.folder / "space"
        space.mkdir()
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", ENTER, "sh", space, self.packages, INSTALL + script]
        done = run(*words, ok=False)
        if done.returncode == 77:
            raise unittest.SkipTest("no overlay of / can be mounted here")
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_lintian_finds_no_error(self):
        said = run("lintian", "--allow-root", "--fail-on", "none", *self.files())
        self.assertNotRegex(said, r"(?m)^E: ")

    def test_they_need_what_the_programs_are_linked_with(self):
        for file, needed in zip(self.files(), (("libc6", "liburing2", "libstdc++6"), ("libc6", "libstdc++6"))):
            depends = subprocess.run(["dpkg-deb", "-f", file, "Depends"], check=True, capture_output=True, text=True).stdout
            for package in needed:
                self.assertRegex(depends, rf"(^|, ){re.escape(package)} ")

    def test_an_installed_package_serves_and_goes_without_a_trace(self):
        said = self.installed("""
dpkg --verify ashlar libashlar-dev
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
dpkg --purge ashlar libashlar-dev
find / -xdev -newer /packages -name '*ashlar*' -not -path '/packages*' -not -path '/tmp/*' -not -path '/proc/*' | sed 's/^/left: /'
""")
        for words in ("OK", "export-size: 4194304", "/usr/share/man/man1/ashlar-trace.1.gz", "/usr/share/man/man5/ashlar.toml.5.gz",
                      "/usr/share/man/man7/ashlar-file.7.gz", "complete -F _ashlar ashlar", "zsh completes by _ashlar", "\n1.0.0\n",
                      "Removing ashlar ",
                      "ashlar.service:ExecStart=/usr/bin/ashlar serve", "ashlar@.service:ExecStart=/usr/bin/ashlar serve"):
            self.assertIn(words, said)
        self.assertNotIn("left: ", said)


if __name__ == "__main__":
    main(needs_root=True, needs=("cpack", "dpkg-deb", "lintian", "unshare", "gzip", "zsh"))
