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

GROWS(io, 64);
FIELD(io, size, 0);
FIELD(io, op, 4);
FIELD(io, flags, 8);
FIELD(io, offset, 16);
FIELD(io, length, 24);
FIELD(io, data, 32);
FIELD(io, extents, 40);
FIELD(io, lent_fd, 48);
FIELD(io, lent_cold, 52);
FIELD(io, lent_offset, 56);

GROWS(geometry, 48);
FIELD(geometry, size, 0);
FIELD(geometry, minimum, 4);
FIELD(geometry, preferred, 8);
FIELD(geometry, maximum, 12);
FIELD(geometry, bytes, 16);
FIELD(geometry, ops, 24);
FIELD(geometry, flags, 32);
FIELD(geometry, traits, 40);

FROZEN(error, 16);
FIELD(error, text, 0);
FIELD(error, capacity, 8);

GROWS(device, 48);
FIELD(device, size, 0);
FIELD(device, reserved, 4);
FIELD(device, self, 8);
FIELD(device, describe, 16);
FIELD(device, process, 24);
FIELD(device, close, 32);
FIELD(device, extension, 40);

GROWS(open, 32);
FIELD(open, size, 0);
FIELD(open, read_only, 4);
FIELD(open, export_name, 8);
FIELD(open, next, 16);
FIELD(open, below, 24);

GROWS(host, 40);
FIELD(host, size, 0);
FIELD(host, minor, 4);
FIELD(host, self, 8);
FIELD(host, log_enabled, 16);
FIELD(host, log, 24);
FIELD(host, extension, 32);

GROWS(param, 64);
FIELD(param, size, 0);
FIELD(param, type, 4);
FIELD(param, name, 8);
FIELD(param, help, 16);
FIELD(param, default_text, 24);
FIELD(param, required, 32);
FIELD(param, reserved, 36);
FIELD(param, minimum, 40);
FIELD(param, maximum, 48);
FIELD(param, choices, 56);

FROZEN(value, 24);
FIELD(value, set, 0);
FIELD(value, type, 4);
FIELD(value, number, 8);
FIELD(value, text, 16);

GROWS(module, 80);
FIELD(module, size, 0);
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

FROZEN(probe_sink, 24);
FIELD(probe_sink, self, 0);
FIELD(probe_sink, kind, 8);
FIELD(probe_sink, row, 16);

GROWS(probe, 16);
FIELD(probe, size, 0);
FIELD(probe, reserved, 4);
FIELD(probe, probe, 8);

/* Numbers are part of the layout, too. */
HOLDS(ASHLAR_ABI_MAJOR == 1, "another major has another layout");
HOLDS(ASHLAR_OP_READ == 0 && ASHLAR_OP_WRITE == 1 && ASHLAR_OP_FLUSH == 2 && ASHLAR_OP_TRIM == 3 &&
          ASHLAR_OP_ZERO == 4 && ASHLAR_OP_CACHE == 5 && ASHLAR_OP_EXTENTS == 6,
      "an op has another number");
HOLDS(ASHLAR_FUA == 1 && ASHLAR_MAY_TRIM == 2 && ASHLAR_FAST == 4 && ASHLAR_REQ_ONE == 8 && ASHLAR_NOWAIT == 16 &&
          ASHLAR_MAY_LEND == 32 && ASHLAR_MAY_HOLE == 64 && ASHLAR_MAY_LEND_COLD == 128 && ASHLAR_LEND_ONLY == 256,
      "a flag has another bit");
HOLDS(ASHLAR_HOLE == 1 && ASHLAR_ZERO == 2, "an extent state has another bit");
HOLDS(ASHLAR_READ_ONLY == 1 && ASHLAR_ROTATIONAL == 2 && ASHLAR_MULTI_CONN == 4 && ASHLAR_ZERO_MAY_FAIL == 8,
      "a trait has another bit");
HOLDS(ASHLAR_LOG_TRACE == 0 && ASHLAR_LOG_DEBUG == 1 && ASHLAR_LOG_INFO == 2 && ASHLAR_LOG_WARN == 3 &&
          ASHLAR_LOG_ERROR == 4,
      "a log level has another number");
HOLDS(ASHLAR_PARAM_STRING == 0 && ASHLAR_PARAM_PATH == 1 && ASHLAR_PARAM_BOOL == 2 && ASHLAR_PARAM_INT == 3 &&
          ASHLAR_PARAM_SIZE == 4 && ASHLAR_PARAM_CHOICE == 5,
      "a parameter type has another number");
HOLDS(ASHLAR_PLUGIN == 1 && ASHLAR_FILTER == 2 && ASHLAR_SERIAL == 0 && ASHLAR_PARALLEL == 1,
      "a kind has another number");
