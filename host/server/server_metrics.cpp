#include "server/server_metrics.hpp"

#include <array>
#include <set>
#include <string_view>
#include <vector>

#include "chain/template.hpp"

namespace ashlar::host {
namespace {

using Kind = Exposition::Kind;
using Labels = Exposition::Labels;

// The bounds of all but the last bucket, in `unit`s.
template <std::size_t buckets>
std::array<double, buckets - 1> bounds_of(std::uint64_t (*bound)(std::size_t), double unit) {
  std::array<double, buckets - 1> bounds;
  for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = static_cast<double>(bound(i)) / unit;
  return bounds;
}

void add_op(Exposition& out, const std::string& exported, const char* op, const OpSummary& sum) {
  static const auto seconds = bounds_of<Buckets::durations>(&Buckets::duration_bound, 1e9);
  static const auto bytes = bounds_of<Buckets::sizes>(&Buckets::size_bound, 1);
  const Labels labels{{"export", exported}, {"op", op}};
  out.add(Kind::counter, "ashlar_requests", "Requests that were answered, refused ones included", labels,
          static_cast<double>(sum.requests));
  out.add(Kind::counter, "ashlar_request_bytes", "Bytes that requests have read, written, zeroed and so on", labels,
          static_cast<double>(sum.bytes));
  for (std::size_t i = 0; i < told_errors.size(); ++i) {
    Labels of_error = labels;
    of_error.emplace_back("error", told_error_name(i));
    out.add(Kind::counter, "ashlar_request_errors", "Requests that were answered with an error", of_error,
            static_cast<double>(sum.errors_by_number[i]));
  }
  out.add_histogram("ashlar_request_duration_seconds", "Time from the arrival of a request until its reply was sent",
                    labels, seconds, sum.durations, static_cast<double>(sum.nanoseconds) / 1e9);
  if (op != std::string_view("flush"))
    out.add_histogram("ashlar_request_size_bytes", "Length of requests", labels, bytes, sum.sizes,
                      static_cast<double>(sum.size_sum));
}

// What the modules of its layers keep. Two layers of one type have their places to tell them apart.
void add_layers(Exposition& out, const Export& exported) {
  std::size_t place = 0;
  for (const auto& layer : exported.layers()) {
    const Labels labels{{"export", exported.name()}, {"layer", layer->type()}, {"place", std::to_string(++place)}};
    std::set<std::string> told;  // a counter x and one x_total would have the same line twice
    for (const Metrics::Reading& one : layer->services().metrics().read()) {
      const std::string name = one.kind == ASHLAR_COUNTER && one.name.ends_with("_total")
                                   ? one.name.substr(0, one.name.size() - std::string_view("_total").size())
                                   : one.name;
      if (!told.insert(name).second) continue;
      const std::string full = "ashlar_module_" + name;
      if (one.kind == ASHLAR_HISTOGRAM) out.add_histogram(full, one.help, labels, one.bounds, one.counts, one.value);
      else out.add(one.kind == ASHLAR_COUNTER ? Kind::counter : Kind::gauge, full, one.help, labels, one.value);
    }
  }
}

void add_accounts(Exposition& out, const std::string& exported, const Accounts& accounts,
                  const Figures::MemoryOf& memory_of) {
  const Summary sum = accounts.summary();
  for (std::size_t op = 0; op < counted_ops; ++op) add_op(out, exported, counted_op_name(op), sum.ops[op]);
  const Labels labels{{"export", exported}};
  std::uint64_t memory = 0, connections = 0;
  accounts.for_each([&](const Account& one) {
    ++connections;
    if (const auto found = memory_of.find(one.connection()); found != memory_of.end()) memory += found->second;
  });
  const auto gauge = [&](const char* name, const char* help, std::uint64_t value) {
    out.add(Kind::gauge, name, help, labels, static_cast<double>(value));
  };
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    out.add(Kind::counter, name, help, labels, static_cast<double>(value));
  };
  gauge("ashlar_requests_in_flight", "Requests that have arrived and are not answered yet", sum.in_flight());
  gauge("ashlar_connections", "Clients that have the export open", connections);
  gauge("ashlar_memory_bytes", "Memory that the export's clients have for requests and replies", memory);
  counter("ashlar_connections_opened", "Clients that have opened the export", accounts.connections_so_far());
  counter("ashlar_connections_refused", "Clients that may not open the export, or not now", accounts.refused_so_far());
  counter("ashlar_connections_evicted", "Clients that were ended because they held what others wanted",
          accounts.evicted_so_far());
}

void add_export(Exposition& out, const Export& exported, const Figures::MemoryOf& memory_of) {
  add_accounts(out, exported.name(), *exported.accounts(), memory_of);
  add_layers(out, exported);
}

// With those that it stands for, if it is a template, and that have ever been opened. `names`: of all exports that go
// before these, to which they are added.
void add_exports(Exposition& out, const Export& exported, std::set<std::string>& names,
                 const Figures::MemoryOf& memory_of) {
  const auto was_opened = [](const Export& one) { return one.accounts()->connections_so_far() != 0; };
  const Template* const of = exported.as_template();
  if (of == nullptr || was_opened(exported)) add_export(out, exported, memory_of);
  if (of == nullptr) return;
  for (const auto& one : of->exports())
    if (was_opened(*one) && !one->activity().stopped() && names.insert(one->name()).second)
      add_export(out, *one, memory_of);
}

}  // namespace

Figures figures_of(const SessionContext& context, const Connections& connections,
                   const std::vector<RemovedExport>& removed) {
  Figures now;
  now.exports = context.exports.get();
  now.removed = removed;
  connections.for_each([&](const Peer& peer, std::uint64_t memory) { now.memory_of[peer.number] = memory; });
  now.clients = connections.size();
  now.turned_away = connections.turned_away();
  now.workers_busy = context.workers.busy();
  now.workers = context.workers.most();
  now.requests_waiting = context.workers.waiting();
  now.tls_handshakes = context.tls_handshakes.done.load(std::memory_order_relaxed);
  now.tls_handshake_failures = context.tls_handshakes.failed.load(std::memory_order_relaxed);
  now.memory_waiting = context.pool.waiting();
  return now;
}

std::string metrics_text(const Figures& now, Exposition::Format format) {
  Exposition out(format);
  std::set<std::string> names;
  for (const auto& one : *now.exports) names.insert(one->name());
  for (const auto& one : *now.exports)
    if (!one->activity().stopped()) add_exports(out, *one, names, now.memory_of);
  // Two of one name would be figures told twice.
  for (const RemovedExport& one : now.removed)
    if (one.accounts->connections() != 0 && names.insert(one.name).second)
      add_accounts(out, one.name, *one.accounts, now.memory_of);
  const auto gauge = [&](const char* name, const char* help, std::uint64_t value, const Labels& labels = {}) {
    out.add(Kind::gauge, name, help, labels, static_cast<double>(value));
  };
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    out.add(Kind::counter, name, help, {}, static_cast<double>(value));
  };
  gauge("ashlar_build_info", "What runs: always 1", 1, {{"version", ASHLAR_VERSION}});
  gauge("ashlar_clients", "Connections of clients, those included that have opened nothing yet", now.clients);
  counter("ashlar_clients_turned_away", "Clients that came when as many were there as may be", now.turned_away);
  gauge("ashlar_workers_busy", "Threads that run requests that block", now.workers_busy);
  gauge("ashlar_workers", "Threads that there may be for requests that block", now.workers);
  gauge("ashlar_requests_waiting",
        "Requests that wait for one of these threads, or for others of their connection to be done",
        now.requests_waiting);
  counter("ashlar_tls_handshakes", "Clients that have come to speak TLS", now.tls_handshakes);
  counter("ashlar_tls_handshake_failures", "Clients that were to speak TLS and did not", now.tls_handshake_failures);
  gauge("ashlar_memory_waiting", "Sessions that wait for memory", now.memory_waiting);
  return out.text();
}

}  // namespace ashlar::host
