"""Certificates and keys for tests, made by `ashlar certs` once for each test program."""

import atexit
import functools
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import warnings

PROGRAM = os.environ.get("ASHLAR") or str(pathlib.Path(__file__).resolve().parents[3] / "build" / "bin" / "ashlar")
CLIENT, USER = "host1", "alice"


def make(folder, *more):
    """Runs `ashlar certs`."""
    words = [PROGRAM, "certs", str(folder), *more]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


@functools.cache
def folder():
    """With a server for this machine, the client host1 and the user alice."""
    made = tempfile.mkdtemp(prefix="ashlar-tls-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    os.chmod(made, 0o755)
    make(made, "--server", "localhost,127.0.0.1", "--client", CLIENT, "--psk", USER)
    return pathlib.Path(made)


def client_folder(name=CLIENT):
    return folder() / "clients" / name


def settings(mode="require", **more):
    """For [server] tls."""
    return {"mode": mode, "certificates": folder() / "server", "psk": folder() / "keys.psk", **more}


def context(client=None, authority=None, newest=None, oldest=None):
    """Of a client for Python's ssl: `client` is the folder of its certificate, None: none; `authority` whom it trusts."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is told, unless suppress_ragged_eofs is set
    made.load_verify_locations(str(authority or folder() / "ca-cert.pem"))
    if client is not None:
        made.load_cert_chain(str(client / "client-cert.pem"), str(client / "client-key.pem"))
    warnings.simplefilter("ignore", DeprecationWarning)  # of versions that nobody should speak, and that are refused
    if newest is not None:
        made.maximum_version = newest
    if oldest is not None:
        made.minimum_version = oldest
    return made


_CA_CONFIG = """[ca]
default_ca = own
[own]
database = {work}/index.txt
serial = {work}/serial
new_certs_dir = {work}
certificate = {folder}/ca-cert.pem
private_key = {folder}/ca-key.pem
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[client]
extendedKeyUsage = clientAuth
[server]
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[between]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
"""


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """What `ashlar certs` does not do, by openssl with the CA in `folder`: revoke, and make what has expired."""

    @classmethod
    def of_its_own(cls, folder, *extensions, key=NEW_KEY, subject="/CN=own CA"):
        """Makes the CA, too, with these extensions alone."""
        folder.mkdir(parents=True, exist_ok=True)
        plain = folder / "plain.cnf"
        plain.write_text("[req]\ndistinguished_name = name\n[name]\n")
        added = [word for one in extensions for word in ("-addext", one)]
        done = subprocess.run(["openssl", "req", "-x509", "-config", plain, *key, "-keyout", folder / "ca-key.pem", "-subj", subject,
                               "-days", "30", *added, "-out", folder / "ca-cert.pem"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return cls(folder)

    @classmethod
    def below(cls, above, folder, name="below"):
        """One that another one has signed."""
        folder.mkdir(parents=True, exist_ok=True)
        request = above.work / "request.pem"
        above.openssl("req", "-new", *NEW_KEY, "-keyout", folder / "ca-key.pem", "-subj", f"/O=ashlar/CN={name}", "-out", request)
        above.openssl("ca", "-config", above.config, "-batch", "-notext", "-in", request, "-extensions", "between",
                      "-out", folder / "ca-cert.pem")
        return cls(folder)

    def __init__(self, made):
        self.folder = pathlib.Path(made)
        self.work = self.folder / "work"
        self.work.mkdir(exist_ok=True)
        (self.work / "index.txt").touch()
        (self.work / "serial").write_text("1000\n")
        self.config = self.work / "ca.cnf"
        self.config.write_text(_CA_CONFIG.format(work=self.work, folder=self.folder))

    def openssl(self, *words):
        done = subprocess.run(["openssl", *[str(word) for word in words]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, f"openssl {words}: {done.stdout}"
        return done.stdout

    def revoke(self, certificate, list_file):
        """Revokes it, and writes the list to `list_file`."""
        self.openssl("ca", "-config", self.config, "-revoke", certificate)
        self.list_revoked(list_file)

    def list_revoked(self, list_file, *dates):
        self.openssl("ca", "-config", self.config, "-gencrl", *dates, "-out", list_file)

    def issue(self, folder, kind, name, *dates):
        """A `kind`, client or server, in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        request = self.work / "request.pem"
        self.openssl("req", "-new", *NEW_KEY, "-keyout", folder / f"{kind}-key.pem", "-subj", f"/O=ashlar/CN={name}", "-out", request)
        self.openssl("ca", "-config", self.config, "-batch", "-notext", "-in", request, *dates, "-extensions", kind,
                     "-out", folder / f"{kind}-cert.pem")
        shutil.copy(self.folder / "ca-cert.pem", folder)
        return folder

    def expired(self, folder, kind):
        return self.issue(folder, kind, "late", "-startdate", "20200101000000Z", "-enddate", "20210101000000Z")

    def between(self, folder):
        """An authority between this one and a server, whose folder is `folder`; returns the certificate of the one between."""
        folder.mkdir(parents=True, exist_ok=True)
        key, request, found = self.work / "between-key.pem", self.work / "request.pem", self.work / "between.pem"
        self.openssl("req", "-new", *NEW_KEY, "-keyout", key, "-subj", "/O=ashlar/CN=between", "-out", request)
        self.openssl("ca", "-config", self.config, "-batch", "-notext", "-in", request, "-extensions", "between", "-out", found)
        self.openssl("req", "-new", *NEW_KEY, "-keyout", folder / "server-key.pem", "-subj", "/O=ashlar/CN=localhost", "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", found, "-CAkey", key, "-CAcreateserial", "-days", "30", "-extfile", self.config,
                     "-extensions", "server", "-out", folder / "server-cert.pem")
        return found
