/* abi.h: the C boundary between ashlar and its modules, and the only thing that crosses a shared object.
 *
 * C11, also valid C++. C++ authors include plugin.hpp or filter.hpp instead and never see this file.
 *
 * Rules of the boundary
 *  - A module exports one symbol, ashlar_entry(), which returns constant tables and has no side effect.
 *  - A struct that may grow starts with its `size` and grows only at its tail; a reader uses only what lies within
 *    `size`. The structs marked "frozen" never change within a major.
 *  - Optional abilities are extensions, asked for by a string id "ashlar.<name>/<rev>".
 *  - The host accepts a module when the major is equal and its needs_minor is no greater than the host's minor.
 *
 * Threads: each function pointer is tagged.
 *  [control]  may block, may fail with a text. create and destroy are called once per layer; open, describe and close
 *             by several threads at once (each for its own device) if the module says ASHLAR_PARALLEL.
 *  [data]     called by several threads at once, for one device too, if the module says ASHLAR_PARALLEL; no text, no
 *             exceptions; allocation and locks only where unavoidable.
 *  Where the module says ASHLAR_SERIAL, at most one call of either kind runs in a layer and its devices at any time.
 *  [any]      any thread, at any time.
 *
 * A status is 0 or a positive errno number (errno(3)).
 */
#ifndef ASHLAR_ABI_H
#define ASHLAR_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ASHLAR_ABI_MAJOR 1u
#define ASHLAR_ABI_MINOR 0u

/* ---- Operations: the seven words of the road, from the wire to the system call ---- */

#define ASHLAR_OP_READ 0u
#define ASHLAR_OP_WRITE 1u
#define ASHLAR_OP_FLUSH 2u   /* all writes completed before it are durable when it returns */
#define ASHLAR_OP_TRIM 3u    /* advice: the contents are no longer needed; undefined afterwards */
#define ASHLAR_OP_ZERO 4u    /* the range reads as zeroes afterwards */
#define ASHLAR_OP_CACHE 5u   /* advice: the range will be read soon */
#define ASHLAR_OP_EXTENTS 6u /* tell which parts are allocated, holes, zero */
#define ASHLAR_OP_BIT(op) (UINT64_C(1) << (op))
#define ASHLAR_OPS_KNOWN UINT64_C(0x7f) /* the ops of this revision of the header */

/* ---- Request flags. A layer is never called with a flag that it does not offer. ---- */

#define ASHLAR_FUA (UINT64_C(1) << 0)      /* write, zero, trim: durable before returning */
#define ASHLAR_MAY_TRIM (UINT64_C(1) << 1) /* zero: the range may be deallocated; without it it becomes provisioned */
#define ASHLAR_FAST (UINT64_C(1) << 2)     /* zero: ENOTSUP with the data untouched unless faster than writing */
#define ASHLAR_REQ_ONE (UINT64_C(1) << 3)  /* extents: only the first extent is of interest */
#define ASHLAR_NOWAIT (UINT64_C(1) << 4)   /* any op: do it without blocking, or return EAGAIN having changed nothing */
/* read: instead of filling `data`, may set lent_fd and lent_offset: "these bytes are in this fd at this offset". The fd
 * is the layer's and stays open as long as the device; the host only reads from it, at once. */
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

/* ---- Extent states: those of NBD's base:allocation ---- */

#define ASHLAR_HOLE 1u /* not allocated */
#define ASHLAR_ZERO 2u /* reads as zeroes */

/* Receives extents in order, without gaps, from the request's offset on. Frozen. */
struct ashlar_extent_sink {
  void* self;
  /* [data] Adds `length` (> 0) bytes in `state` behind what was added before; equal neighbours are merged. The last one
   * may reach past the end of the request. Returns 0 to go on, 1 when no more is wanted. */
  int32_t (*add)(void* self, uint64_t length, uint32_t state);
};

/* One request. The caller owns it and everything it points to, for the duration of the call. */
struct ashlar_io {
  uint32_t size;
  uint32_t op;     /* ASHLAR_OP_* */
  uint64_t flags;  /* of those the layer offers; when process returns they are as they were */
  uint64_t offset; /* bytes; offset + length never exceeds the device's size */
  uint64_t length; /* bytes; 0 for flush; never 0 otherwise */
  void* data;      /* read but for LEND_ONLY: to fill; write: to take from (never modified by a layer); else NULL */
  const struct ashlar_extent_sink* extents; /* extents, and read with MAY_HOLE; else NULL */
  int32_t lent_fd;    /* out, read with MAY_LEND: -1 (as set by the caller) or the fd that holds the bytes */
  uint32_t lent_cold; /* out, read with MAY_LEND_COLD: 0 (as set by the caller), or 1: reading the lent bytes blocks */
  uint64_t lent_offset;
};

/* ---- Geometry: what an opened layer is and offers ---- */

#define ASHLAR_READ_ONLY (UINT64_C(1) << 0)
#define ASHLAR_ROTATIONAL (UINT64_C(1) << 1)
#define ASHLAR_MULTI_CONN (UINT64_C(1) << 2)    /* flush on one connection covers the completed writes of all */
#define ASHLAR_ZERO_MAY_FAIL (UINT64_C(1) << 3) /* zero may answer ENOTSUP also without FAST: write instead */

struct ashlar_geometry {
  uint32_t size;      /* of this struct */
  uint32_t minimum;   /* bytes, a power of two, 1..65536: a request starts and ends on it (or ends at `bytes`) */
  uint32_t preferred; /* bytes, a power of two >= max(minimum, 512): efficient from here on */
  uint32_t maximum;   /* bytes: largest read or write taken in one request; 0: no limit of its own */
  uint64_t bytes;     /* size of the device, 0..INT64_MAX; need not be a multiple of anything */
  uint64_t ops;       /* ASHLAR_OP_BIT(...) of what it offers */
  uint64_t flags;     /* request flags it understands */
  uint64_t traits;    /* ASHLAR_READ_ONLY ... */
};

/* ---- Errors on the control path: text in memory that the caller owns ---- */

struct ashlar_error { /* frozen */
  char* text;         /* filled with one line of UTF-8, always terminated */
  size_t capacity;    /* bytes at `text`, > 0 */
};

/* ---- A device: a layer opened for one connection ---- */

struct ashlar_device {
  uint32_t size;
  uint32_t reserved;
  void* self;
  /* [control] Called once, right after open. */
  int32_t (*describe)(void* self, struct ashlar_geometry* out, struct ashlar_error* error);
  /* [data] Returns when the request is done: 0, or the error's number. */
  int32_t (*process)(void* self, struct ashlar_io* io);
  /* [control] Called once, when no request is under way; `self` is gone afterwards. Layers close from the top down. */
  void (*close)(void* self);
  /* [any] An optional ability, or NULL. May itself be NULL. What it returns knows its device by itself: the `next` that
   * a filter gets is not the layer's own device but one of the host, which hands on. */
  const void* (*extension)(void* self, const char* id);
};

/* What a device is opened with. Pointers stay valid until close returns. */
struct ashlar_open {
  uint32_t size;
  uint32_t read_only;                  /* 1: the export will not be written to */
  const char* export_name;             /* UTF-8 */
  const struct ashlar_device* next;    /* filter: the layer below, opened and described; plugin: NULL */
  const struct ashlar_geometry* below; /* filter: what the layer below offers; plugin: NULL */
};

/* ---- Host services, handed over at create ---- */

#define ASHLAR_LOG_TRACE 0u
#define ASHLAR_LOG_DEBUG 1u
#define ASHLAR_LOG_INFO 2u
#define ASHLAR_LOG_WARN 3u
#define ASHLAR_LOG_ERROR 4u

struct ashlar_host { /* valid until destroy returns */
  uint32_t size;
  uint32_t minor; /* the host's ASHLAR_ABI_MINOR */
  void* self;
  int32_t (*log_enabled)(void* self, uint32_t level);                            /* [any] */
  void (*log)(void* self, uint32_t level, const char* text, size_t text_length); /* [any] one line, no newline */
  const void* (*extension)(void* self, const char* id);                          /* [any] or NULL */
};

/* ---- Parameters ---- */

#define ASHLAR_PARAM_STRING 0u
#define ASHLAR_PARAM_PATH 1u /* string; the host makes it absolute, relative to the config file's folder */
#define ASHLAR_PARAM_BOOL 2u
#define ASHLAR_PARAM_INT 3u
#define ASHLAR_PARAM_SIZE 4u   /* bytes: an integer, or a string such as "64K", "1M", "2G" (powers of 1024) */
#define ASHLAR_PARAM_CHOICE 5u /* one of `choices` */

struct ashlar_param {
  uint32_t size;
  uint32_t type;
  const char* name;
  const char* help;         /* one line */
  const char* default_text; /* the default as one would write it in TOML without quotes; NULL: none */
  uint32_t required;        /* 1: the config must have it */
  uint32_t reserved;
  int64_t minimum, maximum;   /* INT and SIZE: the allowed range, both included */
  const char* const* choices; /* CHOICE: ends with NULL; else NULL */
};

struct ashlar_value { /* frozen */
  uint32_t set;       /* 0: neither given nor defaulted; the rest is 0 then */
  uint32_t type;      /* as the parameter's */
  int64_t number;     /* BOOL (0, 1), INT, SIZE; CHOICE: the index into choices */
  const char* text;   /* STRING, PATH, CHOICE; else NULL. Valid until destroy returns. */
};

/* ---- The module ---- */

#define ASHLAR_PLUGIN 1u
#define ASHLAR_FILTER 2u
#define ASHLAR_SERIAL 0u /* one call at a time into a layer, whichever connection it serves */
#define ASHLAR_PARALLEL 1u

struct ashlar_module {
  uint32_t size;
  uint32_t abi_major; /* ASHLAR_ABI_MAJOR of the header it was built with; this and `size` keep their place for ever */
  uint32_t needs_minor; /* the least ASHLAR_ABI_MINOR it can work with */
  uint32_t kind;        /* ASHLAR_PLUGIN, ASHLAR_FILTER */
  const char* name;     /* as the user types it; the file is called NAME.so */
  const char* version;
  const char* summary; /* one line */
  uint32_t threads;    /* ASHLAR_SERIAL, ASHLAR_PARALLEL */
  uint32_t n_params;
  const struct ashlar_param* const* params;
  /* [control] One layer of one export in the config. `values` has n_params entries in the order of `params`. The layer
   *           is
   * shared by the connections of its export. */
  int32_t (*create)(const struct ashlar_host* host, const struct ashlar_value* values, void** layer,
                    struct ashlar_error* error);
  /* [control] After the last device of the layer is closed. */
  void (*destroy)(void* layer);
  /* [control] One device for one connection. Fills `out`, whose size the caller has set. */
  int32_t (*open)(void* layer, const struct ashlar_open* how, struct ashlar_device* out, struct ashlar_error* error);
  /* [any] An optional ability of the module itself, or NULL. May itself be NULL; a table whose `size` ends before it
   *       has none. */
  const void* (*extension)(const char* id);
};

/* ---- Extension of a module: what a place to keep a disk in can do, found out before a disk is trusted to it ---- */

#define ASHLAR_PROBE_ID "ashlar.probe/1"

#define ASHLAR_PROBE_ONLY_ASK 1u /* flag: write nothing, not even a scratch file */

#define ASHLAR_PROBE_NO 0u
#define ASHLAR_PROBE_YES 1u
#define ASHLAR_PROBE_UNKNOWN 2u /* it was not tried, or trying it did not tell */

/* Receives what is found out. Texts are UTF-8 and valid during the call. Frozen. */
struct ashlar_probe_sink {
  void* self;
  void (*kind)(void* self, const char* kind); /* what the path was found to be; called once, first */
  void (*row)(void* self, const char* name, uint32_t supported, const char* note);
};

struct ashlar_probe {
  uint32_t size;
  uint32_t reserved;
  /* [control] Tells what the backend at `path` supports. What is there is never changed; unless told to only ask, it
   *           may try things on a
   * scratch file beside it, of which nothing stays. */
  int32_t (*probe)(const char* path, uint32_t flags, const struct ashlar_probe_sink* sink, struct ashlar_error* error);
};

/* The one exported symbol, [any]. Returns the same constant table each time, or NULL when it cannot serve
 * `host_major`. */
typedef const struct ashlar_module* (*ashlar_entry_fn)(uint32_t host_major);
#define ASHLAR_ENTRY_SYMBOL "ashlar_entry"

#ifdef __cplusplus
}
#endif
#endif
