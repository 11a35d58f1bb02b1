// Fuzzes decoding and admission: what is admitted must keep what abi.h promises to the layers. The first bytes make
// what was negotiated, the next 28 are the request.
#include <algorithm>
#include <cstdlib>

#include "protocol/admission.hpp"

using namespace ashlar;
using namespace ashlar::protocol;

namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

Admission admission(const std::byte* in) {
  const unsigned bits = std::to_integer<unsigned>(in[0]);
  return {.size = get64(in + 1) >> 1,
          .minimum = std::uint32_t{1} << (bits & 15),
          .max_payload = std::max(get32(in + 9), std::uint32_t{65536}),
          .transmission_flags = get16(in + 13),
          .structured = (bits & 16) != 0,
          .base_allocation = (bits & 32) != 0,
          .offered = Flag::promises};
}
constexpr std::size_t admission_size = 15;

void check_run(const Request& request, const Admission& in, const Verdict& v) {
  require(v.op == Op::flush ? (in.transmission_flags & flag_send_flush) != 0 : request.length != 0);
  if (v.op == Op::flush) return;
  const std::uint64_t end = request.offset + request.length;
  require(end > request.offset && end <= in.size);
  require(request.offset % in.minimum == 0 && (end % in.minimum == 0 || end == in.size));
  if (Ops::writing().has(Ops{v.op})) require(!(in.transmission_flags & flag_read_only));
  if (v.op == Op::read || v.op == Op::write) require(request.length <= in.max_payload);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < admission_size + request_size) return 0;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const Admission in = admission(bytes);
  Request request;
  decode_request(bytes + admission_size, request);  // without its magic, too: the fields are what matters here
  const Verdict v = admit(request, in);
  require(v.payload == (request.type == cmd_write ? request.length : 0));
  require((v.kind == Verdict::Kind::refuse) == (v.error != error_none));
  if (v.kind == Verdict::Kind::run) check_run(request, in, v);
  return 0;
}
