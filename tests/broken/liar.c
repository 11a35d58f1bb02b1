/* A plugin of 1 MiB of zeroes that is right in all but one thing: LIE. Each lie is one of the words below. */
#include <ashlar/abi.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum lie {
  /* the library and its table */
  NO_ENTRY,
  ENTRY_NULL,
  WRONG_MAJOR,
  NEEDS_NEWER_MINOR,
  SHORT_TABLE,
  NO_CREATE,
  NO_DESTROY,
  NO_OPEN,
  NO_NAME,
  NO_SUMMARY,
  UNKNOWN_KIND,
  UNKNOWN_THREADS,
  NO_PARAMS_BUT_COUNTED,
  TABLES_BY_TURNS,
  SERVES_ANY_MAJOR,
  PARAMETER_CALLED_TYPE,
  DEFAULT_OUT_OF_RANGE,
  /* opening */
  CREATE_FAILS,
  CREATE_FAILS_SILENTLY,
  OPEN_FAILS,
  DESCRIBE_FAILS,
  DEVICE_WITHOUT_PROCESS,
  DEVICE_WITHOUT_DESCRIBE,
  DEVICE_WITHOUT_CLOSE,
  MINIMUM_NOT_A_POWER_OF_TWO,
  MINIMUM_ZERO,
  MINIMUM_TOO_LARGE,
  PREFERRED_ZERO,
  SIZE_TOO_LARGE,
  OFFERS_NO_READ,
  OFFERS_UNKNOWN,
  PREFERRED_TOO_LARGE,
  MAXIMUM_TOO_SMALL,
  READ_ONLY_THAT_WRITES,
  /* structs that it fills */
  RESERVED_IN_LAYER,
  UNKNOWN_TRAIT_IN_LAYER,
  RESERVED_IN_DEVICE,
  RESERVED_IN_GEOMETRY,
  ASSIGNS_LAYER,
  ASSIGNS_DEVICE,
  ASSIGNS_GEOMETRY,
  WRITES_BEHIND_LAYER,
  WRITES_BEHIND_DEVICE,
  WRITES_BEHIND_GEOMETRY,
  SIZE_IN_STRUCT_SIZE,
  WRITES_TO_OPEN,
  WRITES_TO_HOST,
  EXTENSION_FOR_ANYTHING,
  ERROR_WITHOUT_END,
  ERROR_OF_TWO_LINES,
  ERROR_TOO_LONG,
  ERROR_OF_NO_PARAMETER,
  STATUS_OF_CREATE_NEGATIVE,
  /* requests */
  STATUS_NEGATIVE,
  STATUS_HUGE,
  WOULD_BLOCK_ALWAYS,
  NOT_SUPPORTED_READ,
  CHANGES_FLAGS,
  LENDS_A_BAD_FD,
  LENDS_UNASKED,
  LENDS_PAST_THE_END_OF_THE_FILE,
  LENDS_NOTHING_AND_SAYS_OK,
  FILLS_WHAT_MAY_ONLY_BE_LENT,
  EXTENTS_NONE,
  EXTENTS_EMPTY,
  EXTENTS_TOO_MUCH,
  EXTENTS_SHORT,
  EXTENTS_ENDLESS,
  EXTENTS_UNKNOWN_STATE,
  EXTENTS_FALSE_ZERO
};

#define BYTES (UINT64_C(1) << 20)
#define BEHIND(out) ((unsigned char*)(out) + sizeof *(out))

static int fail(struct ashlar_error* error, const char* text) {
  snprintf(error->text, error->capacity, "%s", text);
  return EIO;
}

static int32_t describe(void* self, struct ashlar_geometry* out, struct ashlar_error* error) {
  (void)self;
  if (LIE == DESCRIBE_FAILS) return fail(error, "describe has no luck");
  if (LIE == ASSIGNS_GEOMETRY) *out = (struct ashlar_geometry){.struct_size = sizeof *out};
  if (LIE == WRITES_BEHIND_GEOMETRY) memset(BEHIND(out), 0, 8);
  out->minimum = LIE == MINIMUM_NOT_A_POWER_OF_TWO ? 1000
                 : LIE == MINIMUM_ZERO             ? 0
                 : LIE == MINIMUM_TOO_LARGE        ? 1 << 20
                                                   : 1;
  out->preferred = LIE == PREFERRED_ZERO        ? 0
                   : LIE == MINIMUM_TOO_LARGE   ? 1 << 20
                   : LIE == PREFERRED_TOO_LARGE ? 64u << 20
                                                : 4096;
  out->maximum = LIE == MAXIMUM_TOO_SMALL ? 2048 : 0;
  out->bytes = LIE == SIZE_TOO_LARGE ? (uint64_t)INT64_MAX + 1 : BYTES;
  out->ops = ASHLAR_OP_BIT(ASHLAR_OP_EXTENTS) | (LIE == OFFERS_NO_READ ? 0 : ASHLAR_OP_BIT(ASHLAR_OP_READ)) |
             (LIE == OFFERS_UNKNOWN ? ASHLAR_OP_BIT(60) : 0);
  out->flags =
      ASHLAR_NOWAIT | ASHLAR_REQ_ONE | (LIE == OFFERS_UNKNOWN ? UINT64_C(1) << 60 : 0) |
      (LIE == LENDS_A_BAD_FD || LIE == LENDS_PAST_THE_END_OF_THE_FILE ? ASHLAR_MAY_LEND : 0) |
      (LIE == LENDS_NOTHING_AND_SAYS_OK || LIE == FILLS_WHAT_MAY_ONLY_BE_LENT ? ASHLAR_MAY_LEND | ASHLAR_LEND_ONLY : 0);
  out->traits = ASHLAR_READ_ONLY;
  if (LIE == READ_ONLY_THAT_WRITES) out->ops |= ASHLAR_OP_BIT(ASHLAR_OP_WRITE);
  if (LIE == RESERVED_IN_GEOMETRY) out->reserved = 1;
  if (LIE == SIZE_IN_STRUCT_SIZE) out->struct_size = (uint32_t)BYTES;
  return 0;
}

static int32_t tell_extents(const struct ashlar_io* io) {
  const struct ashlar_extent_sink* sink = io->extents;
  const uint32_t state = LIE == EXTENTS_UNKNOWN_STATE ? 0x80000004u : ASHLAR_HOLE | ASHLAR_ZERO;
  if (LIE == EXTENTS_NONE) return 0;
  if (LIE == EXTENTS_EMPTY) sink->add(sink->self, 0, state);
  if (LIE == EXTENTS_TOO_MUCH) sink->add(sink->self, UINT64_MAX, state);
  if (LIE == EXTENTS_SHORT) return io->length > 1 ? (sink->add(sink->self, io->length / 2, state), 0) : 0;
  if (LIE == EXTENTS_ENDLESS) {
    for (uint32_t i = 0; i < (1u << 22); ++i) sink->add(sink->self, 1, i & 1u); /* deaf to "no more" */
    return 0;
  }
  if (LIE != EXTENTS_EMPTY && LIE != EXTENTS_TOO_MUCH) sink->add(sink->self, BYTES - io->offset, state);
  return 0;
}

static int lend(struct ashlar_io* io) {
  io->lent_fd = LIE == LENDS_A_BAD_FD ? -5 : LIE == LENDS_UNASKED ? 1000000 : 1000001;
  io->lent_offset = LIE == LENDS_PAST_THE_END_OF_THE_FILE ? UINT64_MAX - 1 : 0;
  return 0;
}

static int32_t process(void* self, struct ashlar_io* io) {
  (void)self;
  if (io->op == ASHLAR_OP_EXTENTS) return tell_extents(io);
  if (io->op != ASHLAR_OP_READ) return ENOTSUP;
  if (LIE == STATUS_NEGATIVE) return -5;
  if (LIE == STATUS_HUGE) return INT32_MAX;
  if (LIE == WOULD_BLOCK_ALWAYS) return EAGAIN; /* also when it was allowed to wait */
  if (LIE == NOT_SUPPORTED_READ) return ENOTSUP;
  if (LIE == LENDS_NOTHING_AND_SAYS_OK && (io->flags & ASHLAR_LEND_ONLY) != 0) return 0;
  if (LIE == LENDS_UNASKED) return lend(io);
  if ((LIE == LENDS_A_BAD_FD || LIE == LENDS_PAST_THE_END_OF_THE_FILE) && (io->flags & ASHLAR_MAY_LEND) != 0)
    return lend(io);
  if (LIE == CHANGES_FLAGS) io->flags = UINT64_MAX;
  memset(io->data, LIE == EXTENTS_FALSE_ZERO ? 0x5a : 0, io->length);
  return 0;
}

static void close_device(void* self) { (void)self; }

static int32_t create(const struct ashlar_create* how, struct ashlar_layer* out, struct ashlar_error* error) {
  static int layer;
  (void)how;
  if (LIE == CREATE_FAILS) return fail(error, "create has no luck");
  if (LIE == CREATE_FAILS_SILENTLY) return ENOENT;
  if (LIE == STATUS_OF_CREATE_NEGATIVE) return -EINVAL;
  if (LIE == ERROR_WITHOUT_END) return memset(error->text, 'x', error->capacity), EINVAL;
  if (LIE == ERROR_OF_TWO_LINES) return fail(error, "no luck\ntoday");
  if (LIE == ERROR_TOO_LONG) return strcpy(error->text + error->capacity - 1, "longer than the room"), EINVAL;
  if (LIE == ERROR_OF_NO_PARAMETER) return error->parameter = 7, fail(error, "the seventh");
  if (LIE == ASSIGNS_LAYER) *out = (struct ashlar_layer){.struct_size = sizeof *out};
  if (LIE == WRITES_BEHIND_LAYER) memset(BEHIND(out), 0, 8);
  if (LIE == RESERVED_IN_LAYER) out->reserved = 1;
  if (LIE == UNKNOWN_TRAIT_IN_LAYER) out->traits = UINT64_C(1) << 40;
  if (LIE == WRITES_TO_HOST) ((struct ashlar_host*)(uintptr_t)how->host)->struct_size = 0;
  out->self = &layer;
  return 0;
}

static void destroy(void* layer) { (void)layer; }

static const void* extension(void* self, const char* id) {
  (void)id;
  return self;
}

static int32_t open_device(void* layer, const struct ashlar_open* how, struct ashlar_device* out,
                           struct ashlar_error* error) {
  if (LIE == WRITES_TO_OPEN) ((struct ashlar_open*)(uintptr_t)how)->struct_size = 0;
  if (LIE == ASSIGNS_DEVICE) *out = (struct ashlar_device){.struct_size = sizeof *out};
  if (LIE == WRITES_BEHIND_DEVICE) memset(BEHIND(out), 0, 8);
  if (LIE == RESERVED_IN_DEVICE) out->reserved = 1;
  if (LIE == OPEN_FAILS) return fail(error, "open has no luck");
  out->self = layer;
  out->describe = LIE == DEVICE_WITHOUT_DESCRIBE ? NULL : describe;
  out->process = LIE == DEVICE_WITHOUT_PROCESS ? NULL : process;
  out->close = LIE == DEVICE_WITHOUT_CLOSE ? NULL : close_device;
  out->extension = LIE == EXTENSION_FOR_ANYTHING ? extension : NULL;
  return 0;
}

#define HAS_PARAM (LIE == PARAMETER_CALLED_TYPE || LIE == DEFAULT_OUT_OF_RANGE)
static const struct ashlar_param param = {.struct_size = sizeof(struct ashlar_param),
                                          .type = ASHLAR_PARAM_INT,
                                          .name = LIE == PARAMETER_CALLED_TYPE ? "type" : "number",
                                          .help = "a number",
                                          .default_text = LIE == DEFAULT_OUT_OF_RANGE ? "11" : NULL,
                                          .minimum = 0,
                                          .maximum = 10};
static const struct ashlar_param* const params[] = {&param};

static const struct ashlar_module module = {.struct_size = LIE == SHORT_TABLE ? 12 : sizeof(struct ashlar_module),
                                            .abi_major = LIE == WRONG_MAJOR ? ASHLAR_ABI_MAJOR + 1 : ASHLAR_ABI_MAJOR,
                                            .needs_minor = LIE == NEEDS_NEWER_MINOR ? 1000000 : 0,
                                            .kind = LIE == UNKNOWN_KIND ? 77 : ASHLAR_PLUGIN,
                                            .name = LIE == NO_NAME ? NULL : LIE_NAME,
                                            .version = "1.0",
                                            .summary = LIE == NO_SUMMARY ? NULL : "a liar",
                                            .threads = LIE == UNKNOWN_THREADS ? 77 : ASHLAR_PARALLEL,
                                            .n_params = LIE == NO_PARAMS_BUT_COUNTED ? 3 : HAS_PARAM,
                                            .params = HAS_PARAM ? params : NULL,
                                            .create = LIE == NO_CREATE ? NULL : create,
                                            .destroy = LIE == NO_DESTROY ? NULL : destroy,
                                            .open = LIE == NO_OPEN ? NULL : open_device};

#ifdef NO_ENTRY_AT_ALL
#define ashlar_entry some_other_symbol
#endif
__attribute__((visibility("default"))) const struct ashlar_module* ashlar_entry(uint32_t host_major);
const struct ashlar_module* ashlar_entry(uint32_t host_major) {
  static struct ashlar_module copies[2];
  static int turn;
  if (LIE == TABLES_BY_TURNS) {
    copies[turn ^= 1] = module;
    return &copies[turn];
  }
  if (LIE != WRONG_MAJOR && LIE != SERVES_ANY_MAJOR && host_major != ASHLAR_ABI_MAJOR) return NULL;
  return LIE == ENTRY_NULL ? NULL : &module;
}
