// The nbd plugin: an export of another NBD server as a disk.
#include <algorithm>
#include <ashlar/plugin.hpp>
#include <cstddef>

#include "backend.hpp"

using namespace ashlar;

class Nbd final : public Plugin {
 public:
  using Layer = Backend;
  static constexpr bool connects = true;
  static constexpr const char* tls_modes[] = {"off", "allow", "require", nullptr};
  static constexpr const char* group = "disks of other machines";
  static constexpr Param params[] = {
      Param::string("uri", "of the export, such as nbd://HOST:PORT/EXPORT or nbd+unix:///EXPORT?socket=PATH"),
      Param::list(
          Param::string("command", "a server that is started, by socket activation: the program and its arguments")),
      Param::string("export", "its name, where uri has none; without it the server's default"),
      Param::integer("connections", "to the server at once, where it allows several").range(1, 64).or_else("4"),
      Param::boolean("read_only", "writes nothing").or_else("false"),
      Param::string("timeout", "how long requests wait while the server is away, or silent").or_else("60s"),
      Param::choice("tls", tls_modes, "whether to speak TLS; without it as uri has it"),
      Param::path("certificates",
                  "folder with ca-cert.pem, and client-cert.pem and client-key.pem if we have to show one"),
      Param::path("psk", "file with pre-shared keys"),
      Param::string("user", "whose key of psk"),
      Param::boolean("verify", "whether the server's certificate has to be by ca-cert.pem, and to name it")
          .or_else("true"),
      Param::string("server_name", "whom the certificate has to name; without it the host in uri"),
  };
  static void list_exports(Layer& layer, const ExportsSink& sink) { layer.list(sink); }

  Nbd(Backend& backend, const Open& open)
      : backend_(backend), purpose_(open.purpose), facts_(backend.open(open.purpose)), told_(backend.losses().told()) {}
  ~Nbd() override { backend_.close(purpose_); }

  Geometry describe() override {
    const std::uint32_t connections = facts_.multi_conn ? backend_.settings().connections : 1;
    return geometry_of(facts_, backend_.settings().read_only, std::max(least_depth, depth_of_one * connections));
  }

  Status read(Io& io) noexcept override { return in_one(io, Request::Kind::read); }
  Status write(Io& io) noexcept override { return in_one(io, Request::Kind::write); }
  Status trim(Io& io) noexcept override { return in_parts(io, Request::Kind::trim); }
  Status zero(Io& io) noexcept override { return in_parts(io, Request::Kind::zero); }
  Status cache(Io& io) noexcept override { return in_parts(io, Request::Kind::cache); }

  // What was acknowledged before the connection was lost may be gone: no flush that might cover it succeeds.
  Status flush(Io& io) noexcept override {
    if (io.has(Flag::nowait)) return Status::would_block();
    const std::uint64_t told = told_;
    Request request;
    request.kind = Request::Kind::flush;
    if (const int error = backend_.run(request); error != 0) return Status{error};
    const std::uint64_t losses = backend_.losses().tell();
    if (losses == told) return Status::success();
    for (std::uint64_t known = told; known < losses && !told_.compare_exchange_weak(known, losses);) continue;
    backend_.host().log(Level::error, "%s: what was written before the connection was lost may be gone: a flush fails",
                        backend_.settings().shown.c_str());
    return Status::io_error();
  }

  Status extents(Io& io) noexcept override {
    if (io.has(Flag::nowait)) return Status::would_block();
    Request request;
    request.kind = Request::Kind::extents;
    request.offset = io.offset();
    request.length = first_part(io.length());
    if (io.has(Flag::req_one)) request.flags = LIBNBD_CMD_FLAG_REQ_ONE;
    if (const int error = backend_.run(request); error != 0) return Status{error};
    std::uint64_t left = facts_.size - io.offset();
    bool told = false;
    for (const auto& [length, state] : request.extents) {
      const std::uint64_t bytes = std::min<std::uint64_t>(length, left);
      if (bytes == 0) break;
      told = true;
      left -= bytes;
      if (!io.add_extent(bytes, ExtentState{state} & Extent::sparse)) break;
    }
    return told ? Status::success() : Status::io_error();
  }

 private:
  static constexpr std::uint32_t least_depth = 64, depth_of_one = 32;  // of a connection
  static constexpr std::uint64_t longest_part = 1 << 30;               // a request's length has 32 bits

  static std::uint32_t first_part(std::uint64_t length) {
    return static_cast<std::uint32_t>(std::min(length, longest_part));
  }

  std::uint32_t flags_of(const Io& io) const {
    std::uint32_t flags = io.has(Flag::fua) ? LIBNBD_CMD_FLAG_FUA : 0;
    if (io.op() == Op::zero && !io.has(Flag::may_trim)) flags |= LIBNBD_CMD_FLAG_NO_HOLE;
    if (io.op() == Op::zero && io.has(Flag::fast)) flags |= LIBNBD_CMD_FLAG_FAST_ZERO;
    return flags;
  }

  Status in_one(Io& io, Request::Kind what) noexcept {
    if (io.has(Flag::nowait)) return Status::would_block();
    Request request;
    request.kind = what;
    request.offset = io.offset();
    request.length = static_cast<std::uint32_t>(io.length());
    request.flags = flags_of(io);
    request.data = io.ashlar_io::data;
    return Status{backend_.run(request)};
  }

  Status in_parts(Io& io, Request::Kind what) noexcept {
    if (io.has(Flag::nowait)) return Status::would_block();
    for (std::uint64_t done = 0; done < io.length();) {
      Request request;
      request.kind = what;
      request.offset = io.offset() + done;
      request.length = first_part(io.length() - done);
      request.flags = flags_of(io);
      const int error = backend_.run(request);
      // Without FAST nobody expects it: the op is there.
      if (error == ENOTSUP && !io.has(Flag::fast)) return Status::io_error();
      if (error != 0) return Status{error};
      done += request.length;
    }
    return Status::success();
  }

  Backend& backend_;
  const Purpose purpose_;
  const Facts facts_;
  std::atomic<std::uint64_t> told_;  // of losses
};

ASHLAR_MODULE(Nbd, .name = "nbd", .version = "1.0",
              .summary = "an export of another NBD server, or of a program that is one", .threads = Threads::parallel)
