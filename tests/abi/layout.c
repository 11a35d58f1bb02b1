/* The layout of ABI major 1, frozen: a module built with the first header must find every field where it left it.
 * Compiled as C11, C++20 and C++23 by headers.py; there is nothing to run. A new field gets a line at the end of its
 * struct's. GROWS is how large the struct was at minor 0; FROZEN structs stay as large as they are. */
#include <ashlar/abi.h>

#ifdef __cplusplus
#define HOLDS(condition, text) static_assert(condition, text)
#else
#define HOLDS(condition, text) _Static_assert(condition, text)
#endif

#define FIELD(s, field, at) HOLDS(offsetof(struct ashlar_##s, field) == (at), #s "." #field " has moved")
#define GROWS(s, bytes) HOLDS(sizeof(struct ashlar_##s) >= (bytes), #s " has shrunk")
#define FROZEN(s, bytes) HOLDS(sizeof(struct ashlar_##s) == (bytes), #s " has changed its size")

FROZEN(extent_sink, 16);
FIELD(extent_sink, self, 0);
FIELD(extent_sink, add, 8);

GROWS(io, 80);
FIELD(io, struct_size, 0);
FIELD(io, op, 4);
FIELD(io, flags, 8);
FIELD(io, offset, 16);
FIELD(io, length, 24);
FIELD(io, data, 32);
FIELD(io, extents, 40);
FIELD(io, lent_fd, 48);
FIELD(io, lent_cold, 52);
FIELD(io, lent_offset, 56);
FIELD(io, id, 64);
FIELD(io, arrived, 72);

GROWS(geometry, 56);
FIELD(geometry, struct_size, 0);
FIELD(geometry, minimum, 4);
FIELD(geometry, preferred, 8);
FIELD(geometry, maximum, 12);
FIELD(geometry, bytes, 16);
FIELD(geometry, ops, 24);
FIELD(geometry, flags, 32);
FIELD(geometry, traits, 40);
FIELD(geometry, depth, 48);
FIELD(geometry, reserved, 52);

GROWS(error, 24);
FIELD(error, struct_size, 0);
FIELD(error, parameter, 4);
FIELD(error, text, 8);
FIELD(error, capacity, 16);

GROWS(device, 48);
FIELD(device, struct_size, 0);
FIELD(device, reserved, 4);
FIELD(device, self, 8);
FIELD(device, describe, 16);
FIELD(device, process, 24);
FIELD(device, close, 32);
FIELD(device, extension, 40);

GROWS(client, 72);
FIELD(client, struct_size, 0);
FIELD(client, transport, 4);
FIELD(client, number, 8);
FIELD(client, address, 16);
FIELD(client, uid, 24);
FIELD(client, gid, 32);
FIELD(client, pid, 40);
FIELD(client, tls_name, 48);
FIELD(client, psk_identity, 56);
FIELD(client, export_name, 64);

GROWS(open, 56);
FIELD(open, struct_size, 0);
FIELD(open, read_only, 4);
FIELD(open, export_name, 8);
FIELD(open, next, 16);
FIELD(open, below, 24);
FIELD(open, client, 32);
FIELD(open, self, 40);
FIELD(open, extension, 48);

GROWS(host, 40);
FIELD(host, struct_size, 0);
FIELD(host, minor, 4);
FIELD(host, self, 8);
FIELD(host, log_enabled, 16);
FIELD(host, log, 24);
FIELD(host, extension, 32);

GROWS(param, 64);
FIELD(param, struct_size, 0);
FIELD(param, type, 4);
FIELD(param, name, 8);
FIELD(param, help, 16);
FIELD(param, default_text, 24);
FIELD(param, required, 32);
FIELD(param, item, 36);
FIELD(param, minimum, 40);
FIELD(param, maximum, 48);
FIELD(param, choices, 56);

GROWS(value, 40);
FIELD(value, struct_size, 0);
FIELD(value, type, 4);
FIELD(value, set, 8);
FIELD(value, reserved, 12);
FIELD(value, number, 16);
FIELD(value, text, 24);
FIELD(value, items, 32);

GROWS(create, 24);
FIELD(create, struct_size, 0);
FIELD(create, reserved, 4);
FIELD(create, host, 8);
FIELD(create, values, 16);

GROWS(layer, 24);
FIELD(layer, struct_size, 0);
FIELD(layer, reserved, 4);
FIELD(layer, self, 8);
FIELD(layer, traits, 16);

GROWS(module, 88);
FIELD(module, struct_size, 0);
FIELD(module, abi_major, 4);
FIELD(module, needs_minor, 8);
FIELD(module, kind, 12);
FIELD(module, name, 16);
FIELD(module, version, 24);
FIELD(module, summary, 32);
FIELD(module, threads, 40);
FIELD(module, n_params, 44);
FIELD(module, params, 48);
FIELD(module, create, 56);
FIELD(module, destroy, 64);
FIELD(module, open, 72);
FIELD(module, extension, 80);

GROWS(wait, 64);
FIELD(wait, struct_size, 0);
FIELD(wait, reserved, 4);
FIELD(wait, self, 8);
FIELD(wait, begin, 16);
FIELD(wait, done, 24);
FIELD(wait, wait, 32);
FIELD(wait, sleep_until, 40);
FIELD(wait, cancelled, 48);
FIELD(wait, on_cancel, 56);

GROWS(metrics, 48);
FIELD(metrics, struct_size, 0);
FIELD(metrics, reserved, 4);
FIELD(metrics, self, 8);
FIELD(metrics, make, 16);
FIELD(metrics, add, 24);
FIELD(metrics, set, 32);
FIELD(metrics, observe, 40);

GROWS(verb_call, 48);
FIELD(verb_call, struct_size, 0);
FIELD(verb_call, n_arguments, 4);
FIELD(verb_call, arguments, 8);
FIELD(verb_call, next, 16);
FIELD(verb_call, below, 24);
FIELD(verb_call, self, 32);
FIELD(verb_call, answer, 40);

GROWS(verb, 32);
FIELD(verb, struct_size, 0);
FIELD(verb, below, 4);
FIELD(verb, name, 8);
FIELD(verb, help, 16);
FIELD(verb, call, 24);

GROWS(control, 24);
FIELD(control, struct_size, 0);
FIELD(control, reserved, 4);
FIELD(control, self, 8);
FIELD(control, offer, 16);

GROWS(reopen, 24);
FIELD(reopen, struct_size, 0);
FIELD(reopen, reserved, 4);
FIELD(reopen, self, 8);
FIELD(reopen, reopen, 16);

GROWS(disconnect, 24);
FIELD(disconnect, struct_size, 0);
FIELD(disconnect, reserved, 4);
FIELD(disconnect, self, 8);
FIELD(disconnect, disconnect, 16);

GROWS(replied, 24);
FIELD(replied, struct_size, 0);
FIELD(replied, reserved, 4);
FIELD(replied, self, 8);
FIELD(replied, replied, 16);

FROZEN(probe_sink, 24);
FIELD(probe_sink, self, 0);
FIELD(probe_sink, kind, 8);
FIELD(probe_sink, row, 16);

GROWS(probe, 16);
FIELD(probe, struct_size, 0);
FIELD(probe, reserved, 4);
FIELD(probe, probe, 8);

FROZEN(exports_sink, 16);
FIELD(exports_sink, self, 0);
FIELD(exports_sink, add, 8);

GROWS(exports, 16);
FIELD(exports, struct_size, 0);
FIELD(exports, reserved, 4);
FIELD(exports, list, 8);

/* Numbers are part of the layout, too. */
HOLDS(ASHLAR_ABI_MAJOR == 1, "another major has another layout");
HOLDS(ASHLAR_OP_READ == 0 && ASHLAR_OP_WRITE == 1 && ASHLAR_OP_FLUSH == 2 && ASHLAR_OP_TRIM == 3 &&
          ASHLAR_OP_ZERO == 4 && ASHLAR_OP_CACHE == 5 && ASHLAR_OP_EXTENTS == 6,
      "an op has another number");
HOLDS(ASHLAR_FUA == 1 && ASHLAR_MAY_TRIM == 2 && ASHLAR_FAST == 4 && ASHLAR_REQ_ONE == 8 && ASHLAR_NOWAIT == 16 &&
          ASHLAR_MAY_LEND == 32 && ASHLAR_MAY_HOLE == 64 && ASHLAR_MAY_LEND_COLD == 128 && ASHLAR_LEND_ONLY == 256,
      "a flag has another bit");
HOLDS(ASHLAR_HOLE == 1 && ASHLAR_ZERO == 2, "an extent state has another bit");
HOLDS(ASHLAR_READ_ONLY == 1 && ASHLAR_ROTATIONAL == 2 && ASHLAR_MULTI_CONN == 4 && ASHLAR_ZERO_MAY_FAIL == 8 &&
          ASHLAR_PARKS == 16 && ASHLAR_NEVER_WRITES_BELOW == 1,
      "a trait has another bit");
HOLDS(ASHLAR_LOG_TRACE == 0 && ASHLAR_LOG_DEBUG == 1 && ASHLAR_LOG_INFO == 2 && ASHLAR_LOG_WARN == 3 &&
          ASHLAR_LOG_ERROR == 4,
      "a log level has another number");
HOLDS(ASHLAR_PARAM_STRING == 0 && ASHLAR_PARAM_PATH == 1 && ASHLAR_PARAM_BOOL == 2 && ASHLAR_PARAM_INT == 3 &&
          ASHLAR_PARAM_SIZE == 4 && ASHLAR_PARAM_CHOICE == 5 && ASHLAR_PARAM_LIST == 6 && ASHLAR_PARAM_SECRET == 7,
      "a parameter type has another number");
HOLDS(ASHLAR_PLUGIN == 1 && ASHLAR_FILTER == 2 && ASHLAR_SERIAL == 0 && ASHLAR_PARALLEL == 1,
      "a kind has another number");
HOLDS(ASHLAR_TRANSPORT_UNIX == 0 && ASHLAR_TRANSPORT_TCP == 1, "a transport has another number");
HOLDS(ASHLAR_COUNTER == 0 && ASHLAR_GAUGE == 1 && ASHLAR_HISTOGRAM == 2, "a kind of metric has another number");
HOLDS(ASHLAR_BELOW_NONE == 0 && ASHLAR_BELOW_READ == 1 && ASHLAR_BELOW_WRITE == 2, "a verb's need has another number");
