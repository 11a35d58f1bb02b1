// An export of modules that were built otherwise than the host, opened for a client, and requests to it.
#pragma once
#include <cstdlib>
#include <fstream>

#include "catch.hpp"
#include "chain/chain.hpp"
#include "chain/export.hpp"
#include "unit/fake_export.hpp"
#include "unit/temp_folder.hpp"

namespace ashlar::host {

// A layer, and its parameters as the config has them.
struct Given {
  std::string type, parameters;
};

// Where the modules are.
inline std::vector<std::filesystem::path> module_folders() {
  const char* const folders = std::getenv("ASHLAR_OLD_MODULES");
  REQUIRE(folders != nullptr);
  std::vector<std::filesystem::path> all;
  std::istringstream in(folders);
  for (std::string folder; std::getline(in, folder, ':');) all.emplace_back(folder);
  return all;
}

class Old {
 public:
  // The plugin's type stands in line 4 of the config, its parameters from line 5 on, if it has no filters. Throws
  // ConfigError.
  Old(const std::vector<Given>& filters, const std::string& plugin, const std::string& parameters = "") {
    log.logger()->set_level(spdlog::level::trace);
    std::string text = "[[export]]\nname = \"disk\"\n";
    for (const Given& filter : filters)
      text += "[[export.filter]]\ntype = \"" + filter.type + "\"\n" + filter.parameters + "\n";
    text += "[export.plugin]\ntype = \"" + plugin + "\"\n" + parameters + "\n";
    const auto file = folder.path() / "old.toml";
    std::ofstream(file) << text;
    config_ = read_config(file);
    export_ = std::make_unique<Export>(config_, config_.exports.front(), registry_, log.logger());
  }

  Export& exported() { return *export_; }
  // For a client.
  std::unique_ptr<Chain> open() { return export_->open(&client_); }
  Metrics::Reading metric(std::size_t layer, const std::string& name) {
    for (const Metrics::Reading& reading : export_->layers()[layer]->services().metrics().read())
      if (reading.name == name) return reading;
    FAIL("there is no metric " << name);
    return {};
  }
  std::int32_t refusal(std::size_t layer, const std::string& verb, const std::vector<std::string>& arguments) {
    try {
      export_->call_verb(layer, verb, arguments);
      return 0;
    } catch (const VerbError& e) {
      return e.status();
    }
  }

  TempFolder folder;
  LogText log;
  int disconnected = 0;

 private:
  Registry registry_{module_folders()};
  Config config_;
  std::unique_ptr<Export> export_;
  const ashlar_client somebody_{.struct_size = sizeof(ashlar_client),
                                .transport = ASHLAR_TRANSPORT_TCP,
                                .number = 7,
                                .address = "192.0.2.1:4711",
                                .uid = 1,
                                .gid = 2,
                                .pid = 3,
                                .tls_name = "CN=mason",
                                .psk_identity = "alice",
                                .export_name = "typed"};
  Cancellation never_{[] { return false; }};
  const ForClient client_{
      .client = somebody_, .of_reads = never_, .of_writes = never_, .disconnect = [this] { ++disconnected; }};
};

// Keeps the extents that it is told, each as "LENGTH STATE".
struct Told {
  std::vector<std::string> told;
  ashlar_extent_sink sink{
      this, [](void* self, std::uint64_t length, std::uint32_t state) noexcept -> std::int32_t {
        static_cast<Told*>(self)->told.push_back(std::to_string(length) + " " + std::to_string(state));
        return 0;
      }};
};

struct Request {
  Request(std::uint32_t op, std::uint64_t offset, std::vector<char> bytes, std::uint64_t flags)
      : data(std::move(bytes)) {
    io.struct_size = sizeof io;
    io.op = op;
    io.flags = flags;
    io.offset = offset;
    io.length = data.size();
    io.lent_fd = -1;
    io.id = 77;
    const bool carries = op == ASHLAR_OP_READ || op == ASHLAR_OP_WRITE || op > ASHLAR_OP_EXTENTS;
    io.data = carries ? data.data() : nullptr;
    if (op == ASHLAR_OP_EXTENTS || (flags & ASHLAR_MAY_HOLE) != 0) io.extents = &extents.sink;
  }
  Request(std::uint32_t op, std::uint64_t offset, std::uint64_t length, std::uint64_t flags)
      : Request(op, offset, std::vector<char>(length), flags) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  std::vector<char> data;
  Told extents;
  ashlar_io io{};
};

template <class What>
int ask(Chain& chain, std::uint32_t op, std::uint64_t offset, What what, std::uint64_t flags = 0) {
  Request request(op, offset, std::move(what), flags);
  return chain.process(request.io);
}

inline std::vector<char> read(Chain& chain, std::uint64_t offset, std::size_t length, std::uint64_t flags = 0) {
  Request request(ASHLAR_OP_READ, offset, std::vector<char>(length, 'x'), flags);
  CHECK(chain.process(request.io) == 0);
  return request.data;
}

}  // namespace ashlar::host
