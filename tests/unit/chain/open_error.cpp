// What a client is told of the cause: the pure part.
#include "chain/open_error.hpp"

#include <cerrno>

#include "matchers.hpp"

namespace ashlar::host {
namespace {

std::string cut(std::string_view text, std::vector<std::string> paths = {}) { return without_folders(text, paths); }

}  // namespace

TEST_CASE("of absolute paths only the last component is left") {
  CHECK(cut("") == "");
  CHECK(cut("no path in it") == "no path in it");
  CHECK(cut("cannot open '/srv/images/disk.img': No such file or directory") ==
        "cannot open 'disk.img': No such file or directory");
  CHECK(cut("/srv/disk.img: Permission denied") == "disk.img: Permission denied");
  CHECK(cut("open of /srv/disk.img failed") == "open of disk.img failed");
  CHECK(cut("(/a/b), [/c/d]; {/e/f} </g/h> path=/i/j|/k/l") == "(b), [d]; {f} <h> path=j|l");
  CHECK(cut("\"/a/b\" `/c/d`") == "\"b\" `d`");
  CHECK(cut("rename /a/b to /c/d") == "rename b to d");
  CHECK(cut("/srv/images/ is a folder, / too") == "images is a folder, / too");
  CHECK(cut("//srv//disk.img") == "disk.img");
  CHECK(cut("/") == "/");
  CHECK(cut("unix:/run/a.sock: Connection refused") == "unix:a.sock: Connection refused");
  CHECK(cut("/dev/disk/by-path/pci-0000:00:1f.2-ata-1: busy") == "pci-0000:00:1f.2-ata-1: busy");
}

TEST_CASE("what is no absolute path is left as it is") {
  for (const char* text :
       {"images/disk.img: Permission denied", "Input/output error", "and/or", "1 / 2", "http://host/path?x=y", "a://b"})
    CHECK(cut(text) == text);
  CHECK(cut("/dev/sdb: Input/output error") == "sdb: Input/output error");
}

TEST_CASE("paths with blanks and quotes in them are cut whole") {
  CHECK(cut("cannot open '/srv/my old images/a disk.img': No such file") == "cannot open 'a disk.img': No such file");
  CHECK(cut("cannot open '/srv/it's mine/disk.img': No such file") == "cannot open 'disk.img': No such file");
  CHECK(cut("'/a b/c' and '/d e/f'") == "'c' and 'f'");
  // Without quotes a path goes on where a later word must be a part of it.
  CHECK(cut("/srv/my old images/disk.img: No such file") == "disk.img: No such file");
  CHECK(cut("/srv/my disk.img: No such file") == "my disk.img: No such file");
  CHECK(cut("from /a b/c to /d e/f, busy") == "from c to f, busy");
  CHECK(cut("file:///srv/my images/x.img is gone") == "file:x.img is gone");
}

TEST_CASE("the paths of parameters are known, whatever is in them") {
  CHECK(cut("open /srv/a: b, c/disk.img: gone", {"/srv/a: b, c/disk.img"}) == "open disk.img: gone");
  CHECK(cut("'/it's, 'here'/disk': gone", {"/it's, 'here'/disk"}) == "'disk': gone");
  CHECK(cut("open /srv/a: b/x/y: gone", {"/srv/a: b"}) == "open y: gone");
  CHECK(cut("open /srv/a: b/x: gone", {"/srv", "/srv/a: b/", "/srv/a"}) == "open x: gone");
  CHECK(cut("read of /srv/x failed with Input/output error", {"/srv/x"}) == "read of x failed with Input/output error");
  // One that merely begins alike is no such path.
  CHECK(cut("open /srv/images2/x: gone", {"/srv/images"}) == "open x: gone");
  CHECK(cut("open /x: gone", {""}) == "open x: gone");
}

TEST_CASE("no form of the cause has the user name or password of a URL") {
  CHECK(without_credentials("no@host, http://host/a@b") == "no@host, http://host/a@b");
  CHECK(without_credentials("http://me:secret@host:80/x refused") == "http://host:80/x refused");
  CHECK(without_credentials("'ssh://me:s@cret@host' and nbd://you@there") == "'ssh://host' and nbd://there");
  CHECK(without_credentials("at://") == "at://");
}

TEST_CASE("an error says one thing to each who reads it") {
  const OpenError error({.who = "export \"a\": plugin \"b\"",
                         .cause = "cannot open '/srv/a/x' for http://me:secret@host: denied",
                         .status = 13,
                         .paths = {"/srv/a/x"},
                         .key = "path",
                         .place = {3, 4}},
                        "; ask for it");
  CHECK(error.what() ==
        std::string("export \"a\": plugin \"b\": cannot open '/srv/a/x' for http://me:secret@host: denied"
                    "; ask for it"));
  CHECK(error.complaint() == "cannot open '/srv/a/x' for http://me:secret@host: denied; ask for it");
  CHECK(error.told_to_client(true) == "cannot open '/srv/a/x' for http://host: denied");
  CHECK(error.told_to_client(false) == "cannot open 'x' for http://host: denied");
}

TEST_CASE("what a plugin cannot find is absent; what it may not open is not, and of a filter nothing is") {
  const auto absent = [](int status, bool is_of_plugin) {
    return OpenError({.status = status, .is_of_plugin = is_of_plugin}).is_absence();
  };
  for (const int status : {ENOENT, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG}) {
    CHECK(absent(status, true));
    CHECK_FALSE(absent(status, false));
  }
  for (const int status : {EACCES, EIO, EBUSY, EROFS, EINVAL}) CHECK_FALSE(absent(status, true));
}

}  // namespace ashlar::host
