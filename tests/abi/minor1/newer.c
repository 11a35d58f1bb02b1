/* newer: a disk of numbers, each byte the low one of its offset, built with the header of minor 1: it offers the op and
 * the flag that came with it, and writes what is new of a struct where the host's has it. NEEDS: what it says that it
 * needs. */
#include <ashlar/abi.h>

#include <errno.h>
#include <stddef.h>

#define BYTES (UINT64_C(1) << 20)
#define HAS(s, member) ((s)->struct_size >= offsetof(__typeof__(*(s)), member) + sizeof((s)->member))

static int32_t describe(void* self, struct ashlar_geometry* out, struct ashlar_error* error) {
  (void)self;
  (void)error;
  out->minimum = 1;
  out->preferred = 4096;
  out->bytes = BYTES;
  out->ops = ASHLAR_OP_BIT(ASHLAR_OP_READ) | ASHLAR_OP_BIT(ASHLAR_OP_COUNT);
  out->flags = ASHLAR_NOWAIT | ASHLAR_TWICE;
  out->traits = ASHLAR_READ_ONLY | ASHLAR_NEW_TRAIT;
  if (HAS(out, added)) out->added = 42;
  return 0;
}

static int32_t process(void* self, struct ashlar_io* io) {
  unsigned char* data = io->data;
  (void)self;
  if (io->op == ASHLAR_OP_READ) {
    for (uint64_t i = 0; i < io->length; ++i) data[i] = (unsigned char)(io->offset + i);
    return 0;
  }
  if (io->op != ASHLAR_OP_COUNT) return ENOTSUP;
  *(uint64_t*)io->data = io->length - io->length / 256;
  return HAS(io, added) ? 0 : EIO;
}

static void close_device(void* self) { (void)self; }

static int32_t create(const struct ashlar_create* how, struct ashlar_layer* out, struct ashlar_error* error) {
  static int layer;
  (void)error;
  out->self = &layer;
  if (HAS(out, added)) out->added = 0;
  return how->host->extension(how->host->self, ASHLAR_LATER_ID) == NULL ? 0 : EINVAL;
}

static void destroy(void* layer) { (void)layer; }

static int32_t open_device(void* layer, const struct ashlar_open* how, struct ashlar_device* out,
                           struct ashlar_error* error) {
  (void)error;
  if (HAS(how, added) && how->added != 0) return EINVAL;
  out->self = layer;
  out->describe = describe;
  out->process = process;
  out->close = close_device;
  if (HAS(out, added)) out->added = 0;
  return 0;
}

static const struct ashlar_param param = {.struct_size = sizeof(struct ashlar_param),
                                          .type = ASHLAR_PARAM_STRING,
                                          .name = "label",
                                          .help = "of no effect",
                                          .added = 7};
static const struct ashlar_param* const params[] = {&param};

static const struct ashlar_module module = {.struct_size = sizeof(struct ashlar_module),
                                            .abi_major = ASHLAR_ABI_MAJOR,
                                            .needs_minor = NEEDS,
                                            .kind = ASHLAR_PLUGIN,
                                            .name = NAME,
                                            .version = "1.1",
                                            .summary = "a disk of numbers, of ABI 1.1",
                                            .threads = ASHLAR_PARALLEL,
                                            .n_params = 1,
                                            .params = params,
                                            .create = create,
                                            .destroy = destroy,
                                            .open = open_device,
                                            .added = 1};

__attribute__((visibility("default"))) const struct ashlar_module* ashlar_entry(uint32_t host_major);
const struct ashlar_module* ashlar_entry(uint32_t host_major) {
  return host_major == ASHLAR_ABI_MAJOR ? &module : NULL;
}
