// What the protocol costs per request: decode, admit, encode.
#include "protocol/codec.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "protocol/admission.hpp"
#include "protocol/reply_style.hpp"

namespace {

using namespace ashlar::protocol;

constexpr std::size_t batch = 256;  // requests side by side, as a recv brings them

// Reads of 4 KiB all over a disk of 1 GiB.
std::vector<std::byte> requests() {
  std::vector<std::byte> bytes(batch * request_size);
  for (std::size_t i = 0; i < batch; ++i) {
    std::byte* at = bytes.data() + i * request_size;
    put32(at, request_magic);
    put16(at + 4, 0);
    put16(at + 6, cmd_read);
    put64(at + 8, i);
    put64(at + 16, i * 7919 % (1u << 18) * 4096);
    put32(at + 24, 4096);
  }
  return bytes;
}

Admission admission() {
  return {.size = 1u << 30,
          .transmission_flags = flag_has_flags | flag_send_flush | flag_send_fua | flag_send_df,
          .structured = true};
}

void per_request(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
}

void codec_decode(benchmark::State& state) {
  const std::vector<std::byte> bytes = requests();
  for (auto _ : state)
    for (std::size_t i = 0; i < batch; ++i) {
      Request request;
      benchmark::DoNotOptimize(decode_request(bytes.data() + i * request_size, request));
      benchmark::DoNotOptimize(request);
    }
  per_request(state);
}
BENCHMARK(codec_decode);

void codec_decode_and_admit(benchmark::State& state) {
  const std::vector<std::byte> bytes = requests();
  const Admission in = admission();
  for (auto _ : state)
    for (std::size_t i = 0; i < batch; ++i) {
      Request request;
      if (!decode_request(bytes.data() + i * request_size, request)) return state.SkipWithError("wrong magic");
      const Verdict verdict = admit(request, in);
      if (verdict.kind != Verdict::Kind::run) return state.SkipWithError("a good request was not admitted");
      benchmark::DoNotOptimize(verdict);
    }
  per_request(state);
}
BENCHMARK(codec_decode_and_admit);

void codec_encode_simple(benchmark::State& state) {
  std::array<std::byte, batch * simple_reply_size> out;
  for (auto _ : state) {
    for (std::size_t i = 0; i < batch; ++i) put_simple_reply(out.data() + i * simple_reply_size, i, error_none);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  per_request(state);
}
BENCHMARK(codec_encode_simple);

void codec_encode_structured(benchmark::State& state) {
  constexpr ReplyStyle style(ReplyStyle::Kind::structured);
  constexpr std::size_t size = style.data_header_size();
  std::array<std::byte, batch * size> out;
  for (auto _ : state) {
    for (std::size_t i = 0; i < batch; ++i)
      style.put_data_header(out.data() + i * size, {.cookie = i}, i * 4096, 4096, true);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  per_request(state);
}
BENCHMARK(codec_encode_structured);

}  // namespace
