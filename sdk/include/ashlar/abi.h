/* abi.h: the C boundary between ashlar and its modules, and the only thing that crosses a shared object.
 *
 * C11, also valid C++. C++ authors include plugin.hpp or filter.hpp instead and never see this file.
 *
 * Growth
 *  - A module exports one symbol, ashlar_entry(), which returns constant tables and has no side effect.
 *  - A struct that may grow starts with its `struct_size`, in bytes, and grows only at its tail. Who makes one sets it.
 *    Who reads one uses only what lies within it (ASHLAR_HAS). Who fills one that another has made writes only within
 *    it, field by field, never by assigning the whole struct, and leaves `struct_size` as it is.
 *  - Frozen structs never change within a major.
 *  - `reserved` fields are 0.
 *  - Optional abilities are extensions, asked for by a string id "ashlar.<name>/<rev>". Ids that begin with "ashlar."
 *    are ashlar's; others begin with a domain of their author's, reversed: "org.example.thing/1".
 *  - The host accepts a module when the major is equal and its needs_minor is no greater than the host's minor.
 *
 * Threads: each function pointer is tagged. None lets an exception out.
 *  [control]  may block, may fail with a text. create and destroy are called once per layer; open, describe and close
 *             by several threads at once (each for its own device) if the module says ASHLAR_PARALLEL.
 *  [data]     called by several threads at once, for one device too, if the module says ASHLAR_PARALLEL; no text;
 *             allocation and locks only where unavoidable.
 *  [any]      any thread, at any time.
 *  - Where the module says ASHLAR_SERIAL, at most one call of either kind runs in a layer and its devices at any time.
 *    A call that waits, or is in `next`, has not ended: no other enters.
 *  - Two layers of the same module, of two exports, say, are called at once all the same: a library behind them that is
 *    not safe for threads needs a lock of its own.
 *  - Over a call of `next`, a wait (ASHLAR_WAIT_ID, ASHLAR_BLOCKING_ID) and a reopening (ASHLAR_REOPEN_ID) a layer
 *    holds no mutex and no pointer to thread-local data: the call may return on another thread, and other calls may run
 *    on this one meanwhile. Who must keep others out until then lets them wait by ashlar.wait, too.
 *  - `next` is called only within process and close of the layer above it and within a verb that has one, by the thread
 *    that is in that call; to read (ASHLAR_OP_READ, ASHLAR_OP_EXTENTS) also within describe, on trial too, as a filter
 *    must whose size depends on what is below; or as a service of the host says that gives leave for more.
 *  - A thread that a layer starts is joined when destroy returns. Modules write nothing to stdout. A process that one
 *    forks does only what signal-safety(7) allows until it calls exec, and has ended when destroy returns.
 *  - The process is the host's: its working folder, umask, signals' handlers and masks, locale, environment, limits,
 *    timers, priority, rounding and user stay as they are.
 *  - create and open also run on trial, for `ashlar check` and before the first client comes: several times, without a
 *    request in between.
 *  - What has failed has left nothing: after a create that failed there is no destroy, after an open that failed no
 *    close. After a describe that failed there is one close.
 *
 * A status is 0 or a positive errno number (errno(3)). What a filter cannot put right it tells as the layer below has.
 */
#ifndef ASHLAR_ABI_H
#define ASHLAR_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define ASHLAR_NOEXCEPT noexcept
extern "C" {
#else
#define ASHLAR_NOEXCEPT
#endif

#define ASHLAR_ABI_MAJOR 1u
#define ASHLAR_ABI_MINOR 0u

/* Whether `member` lies within what `pointer`, to a struct of type `type`, says its size is. */
#define ASHLAR_HAS(pointer, type, member) \
  ((pointer)->struct_size >= offsetof(type, member) + sizeof(((type*)0)->member))

/* ---- Operations: the same seven words from the wire to the system call ---- */

#define ASHLAR_OP_READ 0u
#define ASHLAR_OP_WRITE 1u
#define ASHLAR_OP_FLUSH 2u   /* all writes completed before it are durable when it returns */
#define ASHLAR_OP_TRIM 3u    /* advice: the contents are no longer needed; undefined afterwards */
#define ASHLAR_OP_ZERO 4u    /* the range reads as zeroes afterwards */
#define ASHLAR_OP_CACHE 5u   /* advice: the range will be read soon */
#define ASHLAR_OP_EXTENTS 6u /* tell which parts are allocated, holes, zero */
#define ASHLAR_OP_BIT(op) (UINT64_C(1) << (op))
#define ASHLAR_OPS_KNOWN UINT64_C(0x7f) /* the ops of this revision of the header */

/* ---- Request flags. A layer is never called with a flag that it does not offer. ----
 *
 * FUA, MAY_TRIM's absence and FAST are promises: a layer that cannot keep one refuses the request (ENOTSUP) and never
 * drops the flag in silence. NOWAIT and LEND_ONLY are handed on, or the request is answered with EAGAIN. The others are
 * shortcuts, which may be left out of what is handed on: MAY_TRIM, REQ_ONE, MAY_LEND, MAY_LEND_COLD, MAY_HOLE. */

#define ASHLAR_FUA (UINT64_C(1) << 0)      /* write, zero, trim: durable before returning */
#define ASHLAR_MAY_TRIM (UINT64_C(1) << 1) /* zero: the range may be deallocated; without it it becomes provisioned */
#define ASHLAR_FAST (UINT64_C(1) << 2)     /* zero: ENOTSUP with the data untouched unless faster than writing */
#define ASHLAR_REQ_ONE (UINT64_C(1) << 3)  /* extents: only the first extent is of interest */
/* any op: do it without blocking, or return EAGAIN having changed nothing. EAGAIN is the answer to nothing else. */
#define ASHLAR_NOWAIT (UINT64_C(1) << 4)
/* read: instead of filling `data`, may set lent_fd and lent_offset: "these bytes are in this fd at this offset". Until
 * the device is closed the fd stays open, and holds at that offset what the disk holds at the request's: later writes
 * to the disk may show there, bytes of another place of the disk never. The host only reads from it, also long after
 * the call has returned, while other requests run. The bytes are in memory, so that reading them does not block. */
#define ASHLAR_MAY_LEND (UINT64_C(1) << 5)
/* read: `extents` is set, and the layer may report the whole range to it as extents instead of filling all of `data`.
 * Bytes of an extent reported with ASHLAR_ZERO need not be filled; all others must be. Reporting nothing means: `data`
 * is filled. */
#define ASHLAR_MAY_HOLE (UINT64_C(1) << 6)
/* read with NOWAIT and MAY_LEND: may lend bytes that are not in memory, too, and sets lent_cold to 1. The host reads
 * them into memory that starts on a page, without keeping a thread; if that fails or ends early, it asks again without
 * shortcuts. */
#define ASHLAR_MAY_LEND_COLD (UINT64_C(1) << 7)
/* read with NOWAIT and MAY_LEND: `data` is NULL. Lend the bytes; or, with MAY_HOLE, report the whole range to `extents`
 * as ASHLAR_ZERO; or return EAGAIN having done nothing, if neither can be done at once: the host asks again, with
 * data. */
#define ASHLAR_LEND_ONLY (UINT64_C(1) << 8)
#define ASHLAR_FLAGS_KNOWN UINT64_C(0x1ff)

/* ---- Extents; state bits as in NBD's base:allocation. proto.md, "Metadata querying" ---- */

#define ASHLAR_HOLE 1u /* not allocated */
#define ASHLAR_ZERO 2u /* reads as zeroes */

/* Receives extents in order, without gaps, from the request's offset on. At least one is told; a layer may stop early
 * behind that, and who asked asks on. Frozen. */
struct ashlar_extent_sink {
  void* self;
  /* [data] Adds `length` (> 0) bytes in `state` behind what was added before; equal neighbours are merged. The last one
   * may reach past the end of the request. Returns 0 to go on, 1 when no more is wanted: nothing is added then. May be
   * called by another thread than process was; calls neither `next`, ashlar.wait nor ashlar.blocking. */
  int32_t (*add)(void* self, uint64_t length, uint32_t state) ASHLAR_NOEXCEPT;
};

/* One request. The caller owns it and everything it points to, for the duration of the call. When process returns, all
 * fields but those marked "out" are as they were. Requests whose ranges overlap may run at once; in which order they
 * take effect is nobody's promise. */
struct ashlar_io {
  uint32_t struct_size;
  uint32_t op;     /* ASHLAR_OP_* */
  uint64_t flags;  /* of those the layer offers */
  uint64_t offset; /* bytes; offset + length never exceeds the device's size */
  uint64_t length; /* bytes; 0 for flush; never 0 otherwise */
  /* read but for LEND_ONLY: to fill; write: to take from, never modified by a layer; else NULL. Not aligned. */
  void* data;
  const struct ashlar_extent_sink* extents; /* extents, and read with MAY_HOLE; else NULL */
  int32_t lent_fd;    /* out, read with MAY_LEND: -1 (as set by the caller) or the fd that holds the bytes */
  uint32_t lent_cold; /* out, read with MAY_LEND_COLD: 0 (as set by the caller), or 1: reading the lent bytes blocks */
  uint64_t lent_offset; /* out, with lent_fd */
  /* Of the client's request: the same for a NOWAIT try, its repetition and every request that a layer makes of it; no
   * two requests of one run of the server have the same. 0: of no client's request. */
  uint64_t id;
  uint64_t arrived; /* when the client's request had come in; nanoseconds of CLOCK_MONOTONIC; 0: not known */
};

/* ---- Geometry: what an opened layer is and offers ---- */

/* Traits */
#define ASHLAR_READ_ONLY (UINT64_C(1) << 0)
#define ASHLAR_ROTATIONAL (UINT64_C(1) << 1)
#define ASHLAR_MULTI_CONN (UINT64_C(1) << 2)    /* flush on one connection covers the completed writes of all */
#define ASHLAR_ZERO_MAY_FAIL (UINT64_C(1) << 3) /* zero may answer ENOTSUP also without FAST: write instead */
#define ASHLAR_PARKS (UINT64_C(1) << 4) /* its process never blocks a thread but by ashlar.wait or ashlar.blocking */
#define ASHLAR_TRAITS_KNOWN UINT64_C(0x1f)

struct ashlar_geometry {
  uint32_t struct_size;
  uint32_t minimum;   /* bytes, a power of two, 1..65536: a request starts and ends on it (or ends at `bytes`) */
  uint32_t preferred; /* bytes, a power of two >= max(minimum, 512), at most 32 MiB: efficient from here on */
  uint32_t maximum;   /* bytes: largest read or write taken in one request, >= preferred; 0: no limit of its own */
  uint64_t bytes;     /* size of the device, 0..INT64_MAX; need not be a multiple of anything */
  uint64_t ops;       /* ASHLAR_OP_BIT(...) of what it offers; read at least */
  uint64_t flags;     /* request flags it understands */
  uint64_t traits;    /* ASHLAR_READ_ONLY ... */
  uint32_t depth;     /* how many requests at once, of one client, it gains from; 0: it does not know */
  uint32_t reserved;
};

/* ---- Errors on the control path: text in memory that the caller owns ---- */

struct ashlar_error {
  uint32_t struct_size;
  int32_t parameter; /* the row of the module's table whose value is at fault; -1 (as set by the caller): none */
  char* text;        /* filled with one line of UTF-8, always terminated; left empty: the status says it all */
  size_t capacity;   /* bytes at `text`, > 0 */
};

/* ---- A device: a layer opened for one connection ---- */

struct ashlar_device {
  uint32_t struct_size;
  uint32_t reserved;
  void* self;
  /* [control] Called once, right after open. */
  int32_t (*describe)(void* self, struct ashlar_geometry* out, struct ashlar_error* error) ASHLAR_NOEXCEPT;
  /* [data] Returns when the request is done: 0, or the error's number. */
  int32_t (*process)(void* self, struct ashlar_io* io) ASHLAR_NOEXCEPT;
  /* [control] Called once, when no request is under way; `self` is gone afterwards. Layers close from the top down. */
  void (*close)(void* self) ASHLAR_NOEXCEPT;
  /* [any] An optional ability, or NULL. May itself be NULL. What it returns knows its device by itself: the `next` that
   * a filter gets is not the layer's own device but one of the host, which hands on. */
  const void* (*extension)(void* self, const char* id)ASHLAR_NOEXCEPT;
};

#define ASHLAR_TRANSPORT_UNIX 0u
#define ASHLAR_TRANSPORT_TCP 1u

/* Who is connected. Texts are UTF-8. */
struct ashlar_client {
  uint32_t struct_size;
  uint32_t transport;       /* ASHLAR_TRANSPORT_* */
  uint64_t number;          /* of the connection; no two of one server have the same */
  const char* address;      /* "192.0.2.1:49152", "[2001:db8::1]:49152"; NULL: it has none */
  int64_t uid, gid, pid;    /* of a unix socket's client when it connected (unix(7), SO_PEERCRED); -1: not known */
  const char* tls_name;     /* distinguished name of its certificate (RFC 4514); NULL: none */
  const char* psk_identity; /* of its pre-shared key; NULL: none */
  const char* export_name;  /* as the client gave it */
};

#define ASHLAR_OPEN_FOR_CLIENT 0u
#define ASHLAR_OPEN_ON_TRIAL 1u /* to see whether it can be opened: no request comes but of a describe above */
#define ASHLAR_OPEN_FOR_VERB 2u /* for a verb of a layer above (ASHLAR_CONTROL_ID) */

/* What a device is opened with. Pointers stay valid until close returns. */
struct ashlar_open {
  uint32_t struct_size;
  uint32_t purpose; /* ASHLAR_OPEN_* */
  /* 1: nothing is written through this device. Others of the same layer may be written through at the same time, and
   * what they have written is seen here. */
  uint32_t read_only;
  uint32_t reserved;
  const char* export_name;             /* as the config has it, UTF-8 */
  const struct ashlar_device* next;    /* filter: the layer below, opened and described; plugin: NULL */
  const struct ashlar_geometry* below; /* filter: what the layer below offers; plugin: NULL */
  const struct ashlar_client* client;  /* NULL: `purpose` is another */
  /* Services for this connection: ASHLAR_REOPEN_ID (asked for within open), ASHLAR_DISCONNECT_ID. */
  void* self;
  const void* (*extension)(void* self, const char* id)ASHLAR_NOEXCEPT; /* [any] or NULL; not itself NULL */
};

/* ---- Host services, handed over at create ---- */

#define ASHLAR_LOG_TRACE 0u
#define ASHLAR_LOG_DEBUG 1u
#define ASHLAR_LOG_INFO 2u
#define ASHLAR_LOG_WARN 3u
#define ASHLAR_LOG_ERROR 4u

struct ashlar_host { /* valid until destroy returns */
  uint32_t struct_size;
  uint32_t minor; /* the host's ASHLAR_ABI_MINOR */
  void* self;
  int32_t (*log_enabled)(void* self, uint32_t level) ASHLAR_NOEXCEPT; /* [any] */
  /* [any] one line, no newline */
  void (*log)(void* self, uint32_t level, const char* text, size_t text_length) ASHLAR_NOEXCEPT;
  /* [any] ASHLAR_WAIT_ID, ASHLAR_BLOCKING_ID, ASHLAR_METRICS_ID, ASHLAR_CONTROL_ID, or NULL. The same each time; valid
   * until destroy returns. */
  const void* (*extension)(void* self, const char* id)ASHLAR_NOEXCEPT;
};

/* ---- Parameters ---- */

#define ASHLAR_PARAM_STRING 0u
#define ASHLAR_PARAM_PATH 1u /* string; the host makes it absolute, relative to the config file's folder */
#define ASHLAR_PARAM_BOOL 2u
#define ASHLAR_PARAM_INT 3u
#define ASHLAR_PARAM_SIZE 4u   /* bytes: an integer, or a string such as "64K", "1M", "2G" (powers of 1024) */
#define ASHLAR_PARAM_CHOICE 5u /* one of `choices` */
#define ASHLAR_PARAM_LIST 6u   /* an array of the type `item`, any but LIST; without a default */
#define ASHLAR_PARAM_SECRET 7u /* text that nobody prints: a string, or where it is; without a default */

struct ashlar_param {
  uint32_t struct_size;
  uint32_t type;
  const char* name;
  const char* help; /* one line */
  /* The default as one would write it in TOML without quotes ("true", "64K", one of `choices`); NULL: none */
  const char* default_text;
  uint32_t required; /* 1: the config must have it */
  uint32_t item;     /* LIST: the type of its items; else 0 */
  /* INT and SIZE, and items of these types: the allowed range, both included. Left 0, both allow nothing but 0. */
  int64_t minimum, maximum;
  const char* const* choices; /* CHOICE, and items of this type: ends with NULL; else NULL */
};

/* Valid until destroy returns. */
struct ashlar_value {
  uint32_t struct_size;
  uint32_t type; /* as the parameter's */
  uint32_t set;  /* 0: neither given nor defaulted; the rest is 0 then */
  uint32_t reserved;
  int64_t number;   /* BOOL (0, 1), INT, SIZE; CHOICE: the index into choices; LIST: how many items */
  const char* text; /* STRING, PATH, CHOICE, SECRET; else NULL */
  const struct ashlar_value* const* items; /* LIST: in the order given; else NULL */
};

/* What a layer is created with. Valid until destroy returns. */
struct ashlar_create {
  uint32_t struct_size;
  uint32_t place;          /* of the layer in its export's chain: 1 for the uppermost, one more for each below it */
  const char* export_name; /* as the config has it, UTF-8 */
  const struct ashlar_host* host;
  const struct ashlar_value* const* values; /* n_params, in the order of `params` */
};

#define ASHLAR_NEVER_WRITES_BELOW (UINT64_C(1) << 0) /* filter: so the layers below may be opened read-only */

/* A layer of one export in the config, shared by the connections of its export. */
struct ashlar_layer {
  uint32_t struct_size;
  uint32_t reserved;
  void* self;      /* handed to open and destroy */
  uint64_t traits; /* ASHLAR_NEVER_WRITES_BELOW, or 0 (as set by the caller) */
};

/* ---- The module ---- */

#define ASHLAR_PLUGIN 1u
#define ASHLAR_FILTER 2u
#define ASHLAR_SERIAL 0u /* one call at a time into a layer, whichever connection it serves */
#define ASHLAR_PARALLEL 1u

struct ashlar_module {
  uint32_t struct_size;
  uint32_t abi_major; /* ASHLAR_ABI_MAJOR of the header it was built with; this and `struct_size` keep their place */
  uint32_t
      needs_minor;  /* the least ASHLAR_ABI_MINOR that it can work with: the one it was built with, unless its author
                           knows that an older one will do */
  uint32_t kind;    /* ASHLAR_PLUGIN, ASHLAR_FILTER */
  const char* name; /* as the user types it; the file is called NAME.so */
  const char* version;
  const char* summary; /* one line */
  uint32_t threads;    /* ASHLAR_SERIAL, ASHLAR_PARALLEL */
  uint32_t n_params;
  const struct ashlar_param* const* params;
  /* [control] Fills `out`. */
  int32_t (*create)(const struct ashlar_create* how, struct ashlar_layer* out,
                    struct ashlar_error* error) ASHLAR_NOEXCEPT;
  /* [control] After the last device of the layer is closed. */
  void (*destroy)(void* layer) ASHLAR_NOEXCEPT;
  /* [control] One device for one connection. Fills `out`. */
  int32_t (*open)(void* layer, const struct ashlar_open* how, struct ashlar_device* out,
                  struct ashlar_error* error) ASHLAR_NOEXCEPT;
  /* [any] An optional ability of the module itself (ASHLAR_PROBE_ID, ASHLAR_SERVING_ID, ASHLAR_EXPORTS_ID,
   * ASHLAR_CONNECTS_ID, ASHLAR_GROUP_ID), or NULL. May itself be NULL; a table whose `struct_size` ends before it has
   * none. */
  const void* (*extension)(const char* id)ASHLAR_NOEXCEPT;
};

/* The one exported symbol, [any]. Returns the same constant table each time, or NULL when it cannot serve
 * `host_major`. */
typedef const struct ashlar_module* (*ashlar_entry_fn)(uint32_t host_major);
#define ASHLAR_ENTRY_SYMBOL "ashlar_entry"

/* ---- Extension of the host: waiting for something outside (a network, a timer, a library's callback) ---- */

#define ASHLAR_WAIT_ID "ashlar.wait/1"

/* One thing that is waited for. Made by begin, gone when wait returns. */
struct ashlar_ticket;

struct ashlar_wait {
  uint32_t struct_size;
  uint32_t reserved;
  void* self;
  /* [data, control] A ticket for the call under way; NULL: out of memory. Each is to be waited for. */
  struct ashlar_ticket* (*begin)(void* self)ASHLAR_NOEXCEPT;
  /* [any] Ends the wait, or the wait that is to come; once for each ticket. */
  void (*done)(void* self, struct ashlar_ticket* ticket, int64_t result) ASHLAR_NOEXCEPT;
  /* [the call that began] Returns the result when done was called, and never before: until then what the ticket stands
   * for may use the request's memory. May let other requests run on this thread, and return on another. */
  int64_t (*wait)(void* self, struct ashlar_ticket* ticket) ASHLAR_NOEXCEPT;
  /* [data, control] Waits until CLOCK_MONOTONIC shows `nanoseconds`, or nobody wants the answer of the call under way
   * any more. */
  void (*sleep_until)(void* self, uint64_t nanoseconds) ASHLAR_NOEXCEPT;
  /* [data, control] 1: nobody wants the answer of the call under way any more, because its client has gone, who called
   * the verb has gone, or the server stops. Who can give up does, and returns ECANCELED. Of what changes the disk
   * (write, flush, trim, zero) only the server's stop says so: it is done also for a client that goes away. */
  int32_t (*cancelled)(void* self) ASHLAR_NOEXCEPT;
  /* [the call that began, before wait] Has `hook` called, by any thread and at most once, when the call is cancelled
   * before wait returns; at once if it is cancelled already. hook must not block; it has returned when wait does. Once
   * for each ticket. */
  void (*on_cancel)(void* self, struct ashlar_ticket* ticket, void (*hook)(void* argument) ASHLAR_NOEXCEPT,
                    void* argument) ASHLAR_NOEXCEPT;
};

/* ---- Extension of the host: system calls that block, made without keeping the thread of other requests ---- */

#define ASHLAR_BLOCKING_ID "ashlar.blocking/1"

/* Each returns when its work is done, and is a wait as ASHLAR_WAIT_ID's is: other requests may run on this thread
 * meanwhile. Where the call under way may block its thread, and on a thread that the layer has made, they just block.
 * None is called within a request with NOWAIT. That nobody wants the answer any more does not end them. */
struct ashlar_blocking {
  uint32_t struct_size;
  uint32_t reserved;
  void* self;
  /* [any] As preadv2(2) and pwritev2(2) with one buffer, of a file or device that is open without O_NONBLOCK and stays
   * open until it returns. `flags`: RWF_* as these take them; RWF_HIPRI may be ignored. Returns how many bytes, or an
   * errno number below 0; it may be interrupted and end early, as these may. */
  int64_t (*read)(void* self, int32_t fd, void* into, uint64_t length, uint64_t offset, uint32_t flags) ASHLAR_NOEXCEPT;
  int64_t (*write)(void* self, int32_t fd, const void* from, uint64_t length, uint64_t offset,
                   uint32_t flags) ASHLAR_NOEXCEPT;
  /* [any] Has `work(argument)` called once, by this thread or another, and returns behind it. `work` may block and hold
   * mutexes, calls neither `next` nor ashlar.wait (`cancelled` neither), and what it calls of these just blocks. */
  void (*run)(void* self, void (*work)(void* argument) ASHLAR_NOEXCEPT, void* argument) ASHLAR_NOEXCEPT;
};

/* ---- Extension of the host: figures for who watches the server ---- */

#define ASHLAR_METRICS_ID "ashlar.metrics/1"

#define ASHLAR_COUNTER 0u   /* only grows */
#define ASHLAR_GAUGE 1u     /* goes up and down */
#define ASHLAR_HISTOGRAM 2u /* how many values were no greater than each bound */

struct ashlar_metric;

struct ashlar_metrics {
  uint32_t struct_size;
  uint32_t reserved;
  void* self;
  /* [any] The layer's metric `name` ([a-z][a-z0-9_]*, with its unit: "cache_hits", "wait_seconds"), made at the first
   * call and kept by the host until destroy returns. `bounds`: HISTOGRAM: rising, one at least; else NULL, 0. NULL: the
   * name is not one or stands for another kind, the kind is unknown, the bounds are not as they must be (a histogram
   * has none, say), or memory is out; the functions below do nothing then. */
  struct ashlar_metric* (*make)(void* self, uint32_t kind, const char* name, const char* help, const double* bounds,
                                size_t n_bounds)ASHLAR_NOEXCEPT;
  void (*add)(struct ashlar_metric* metric, double amount) ASHLAR_NOEXCEPT;    /* [any] COUNTER (>= 0), GAUGE */
  void (*set)(struct ashlar_metric* metric, double value) ASHLAR_NOEXCEPT;     /* [any] GAUGE */
  void (*observe)(struct ashlar_metric* metric, double value) ASHLAR_NOEXCEPT; /* [any] HISTOGRAM */
};

/* ---- Extension of the host: verbs that a layer answers while it runs ---- */

#define ASHLAR_CONTROL_ID "ashlar.control/1"

#define ASHLAR_BELOW_NONE 0u
#define ASHLAR_BELOW_READ 1u  /* the verb needs a device over the layers below */
#define ASHLAR_BELOW_WRITE 2u /* one that can be written to */

/* One call of a verb. Valid during the call. */
struct ashlar_verb_call {
  uint32_t struct_size;
  uint32_t n_arguments;
  const char* const* arguments;        /* as given, UTF-8 */
  const struct ashlar_device* next;    /* filter: opened for this call, if the verb asks for it; else NULL */
  const struct ashlar_geometry* below; /* of next */
  void* self;
  void (*answer)(void* self, const char* text, size_t text_length) ASHLAR_NOEXCEPT; /* adds text to the answer */
};

struct ashlar_verb {
  uint32_t struct_size;
  uint32_t below;   /* ASHLAR_BELOW_* */
  const char* name; /* [a-z][a-z0-9-]* */
  const char* help; /* one line */
  /* [control] `argument` as given to offer. */
  int32_t (*call)(void* argument, const struct ashlar_verb_call* call, struct ashlar_error* error) ASHLAR_NOEXCEPT;
};

struct ashlar_control {
  uint32_t struct_size;
  uint32_t reserved;
  void* self;
  /* [control, within create] The layer answers `verb`, which is constant and stays until destroy returns, from the end
   * of create until destroy is called. EINVAL: the name is not one, what it needs below is unknown, help or call is
   * missing, or create is over; EEXIST: the layer has it already. */
  int32_t (*offer)(void* self, const struct ashlar_verb* verb, void* argument) ASHLAR_NOEXCEPT;
};

/* ---- Extensions of the host for one connection ---- */

#define ASHLAR_REOPEN_ID "ashlar.reopen/1"

/* What layers have kept of a device's past is gone when they are opened anew: so a flush that has failed must not be
 * tried again behind it as if what was written before could still be saved. */

struct ashlar_reopen { /* for filters */
  uint32_t struct_size;
  uint32_t reserved;
  void* self;
  /* [any] How often the layers below have been opened through this device, 1 or more. */
  uint64_t (*generation)(void* self) ASHLAR_NOEXCEPT;
  /* [within process, outside of next] Closes the layers below and opens them anew, when no request of this device is
   * under way in them; further ones wait. `next` stays the same device; what it returned as extensions is gone. Does
   * nothing when they have been opened since they were of the generation `seen`: so of many requests that fail together
   * one reopens. Fails, with the layers below closed and every request to them failing with EIO, when they cannot be
   * opened or offer less than before; it may be called again. */
  int32_t (*reopen)(void* self, uint64_t seen, struct ashlar_error* error) ASHLAR_NOEXCEPT;
};

#define ASHLAR_DISCONNECT_ID "ashlar.disconnect/1"

struct ashlar_disconnect {
  uint32_t struct_size;
  uint32_t reserved;
  void* self;
  void (*disconnect)(void* self) ASHLAR_NOEXCEPT; /* [any] Ends the client's connection without further replies. */
};

/* ---- Extension of a device: told when a reply has left ---- */

#define ASHLAR_REPLIED_ID "ashlar.replied/1"

struct ashlar_replied {
  uint32_t struct_size;
  uint32_t reserved;
  void* self;
  /* [any] The reply to the client's request `id` has been handed to the kernel, lent bytes included, or never will be.
   * `status`: what the client was told, 0 or an errno number; ECONNABORTED: it was told nothing, as far as is known.
   * Once for each request of the client's that is replied to, also for those that were refused or answered before they
   * came to this device: an id that it does not know is none of its business. Beside other calls, also where the module
   * says ASHLAR_SERIAL. */
  void (*replied)(void* self, uint64_t id, int32_t status) ASHLAR_NOEXCEPT;
};

/* ---- Extension of a module: what a place to keep a disk in can do, found out before a disk is trusted to it ---- */

#define ASHLAR_PROBE_ID "ashlar.probe/1"

#define ASHLAR_PROBE_ONLY_ASK 1u /* flag: write nothing, not even a scratch file */

#define ASHLAR_PROBE_NO 0u
#define ASHLAR_PROBE_YES 1u
#define ASHLAR_PROBE_UNKNOWN 2u /* it was not tried, or trying it did not tell */

/* Receives what is found out. Texts are UTF-8 and valid during the call. Both return 0 to go on, 1 when no more is
 * wanted: nothing is added then. Frozen. */
struct ashlar_probe_sink {
  void* self;
  int32_t (*kind)(void* self, const char* kind) ASHLAR_NOEXCEPT; /* what the path was found to be; called once, first */
  int32_t (*row)(void* self, const char* name, uint32_t supported, const char* note) ASHLAR_NOEXCEPT;
};

struct ashlar_probe {
  uint32_t struct_size;
  uint32_t reserved;
  /* [control] Tells what the backend at `path` supports. What is there is never changed; unless told to only ask, it
   * may try things on a scratch file beside it, of which nothing stays. */
  int32_t (*probe)(const char* path, uint32_t flags, const struct ashlar_probe_sink* sink,
                   struct ashlar_error* error) ASHLAR_NOEXCEPT;
};

/* ---- Extension of a module: told that its layer begins to serve ---- */

#define ASHLAR_SERVING_ID "ashlar.serving/1"

struct ashlar_serving {
  uint32_t struct_size;
  uint32_t reserved;
  /* [control] Once for each layer, when all exports can be opened and the server is about to take clients, or when the
   * first client of an optional export has come. So this is where files are made that are to be there from the start;
   * create and open on trial leave none, as the server may refuse to start, and `ashlar check` only looks. A failure
   * ends the start, or turns that client away. */
  int32_t (*begin)(void* layer, struct ashlar_error* error) ASHLAR_NOEXCEPT;
};

/* ---- Extension of a plugin: what it could serve, for exports that are templates ---- */

#define ASHLAR_EXPORTS_ID "ashlar.exports/1"

/* Receives names, in any order. Frozen. */
struct ashlar_exports_sink {
  void* self;
  /* description: may be NULL. Returns 0 to go on, 1 when no more is wanted: nothing is added then. */
  int32_t (*add)(void* self, const char* name, const char* description) ASHLAR_NOEXCEPT;
};

struct ashlar_exports {
  uint32_t struct_size;
  uint32_t reserved;
  /* [control] Adds each text that could stand for the '*' in the layer's parameters and be opened then. */
  int32_t (*list)(void* layer, const struct ashlar_exports_sink* sink, struct ashlar_error* error) ASHLAR_NOEXCEPT;
};

/* ---- Extension of a module: it connects to others ---- */

#define ASHLAR_CONNECTS_ID "ashlar.connects/1"

/* Whoever has one connects to others, over a network or a unix socket: the server's sandbox lets nobody connect unless
 * a module of its config says so, or the config itself. */
struct ashlar_connects {
  uint32_t struct_size;
  uint32_t reserved;
};

/* ---- Extension of a module: among which others it stands when modules are listed ---- */

#define ASHLAR_GROUP_ID "ashlar.group/1"

struct ashlar_group {
  uint32_t struct_size;
  uint32_t reserved;
  const char* name; /* a few words on one line, UTF-8, which go on behind "filters for": "limits", say */
};

#ifdef __cplusplus
}
#endif
#endif
