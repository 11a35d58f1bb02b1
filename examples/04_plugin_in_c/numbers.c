/* numbers: a read-only disk on which each 8 bytes hold their own offset, big-endian. Example 4: the boundary is C, so
 * a module can be, too. This is what the C++ headers write for you. */
#include <ashlar/abi.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct layer {
  uint64_t bytes;
};

static int32_t describe(void* self, struct ashlar_geometry* out, struct ashlar_error* error) {
  const struct layer* layer = self;
  (void)error;
  out->minimum = 1;
  out->preferred = 4096;
  out->maximum = 0;
  out->bytes = layer->bytes;
  out->ops = ASHLAR_OP_BIT(ASHLAR_OP_READ);
  out->flags = ASHLAR_NOWAIT; /* it never blocks */
  out->traits = ASHLAR_READ_ONLY;
  return 0;
}

static int32_t process(void* self, struct ashlar_io* io) {
  unsigned char* data = io->data;
  (void)self;
  if (io->op != ASHLAR_OP_READ) return ENOTSUP;
  for (uint64_t i = 0; i < io->length; ++i) {
    const uint64_t at = io->offset + i;
    data[i] = (unsigned char)((at & ~UINT64_C(7)) >> (56 - 8 * (at & 7)));
  }
  return 0;
}

static void close_device(void* self) { (void)self; /* it is the layer */ }

static int32_t create(const struct ashlar_create* how, struct ashlar_layer* out, struct ashlar_error* error) {
  struct layer* layer = malloc(sizeof *layer);
  if (layer == NULL) {
    snprintf(error->text, error->capacity, "out of memory");
    return ENOMEM;
  }
  layer->bytes = (uint64_t)how->values[0]->number;
  out->self = layer;
  return 0;
}

static int32_t open_device(void* layer, const struct ashlar_open* how, struct ashlar_device* out,
                           struct ashlar_error* error) {
  (void)how;
  (void)error;
  out->self = layer;
  out->describe = describe;
  out->process = process;
  out->close = close_device;
  out->extension = NULL;
  return 0;
}

static const struct ashlar_param size_param = {.struct_size = sizeof(struct ashlar_param),
                                               .type = ASHLAR_PARAM_SIZE,
                                               .name = "size",
                                               .help = "size of the disk in bytes",
                                               .default_text = "1G",
                                               .minimum = 0,
                                               .maximum = INT64_MAX};
static const struct ashlar_param* const params[] = {&size_param};

static const struct ashlar_module module = {.struct_size = sizeof(struct ashlar_module),
                                            .abi_major = ASHLAR_ABI_MAJOR,
                                            .needs_minor = ASHLAR_ABI_MINOR,
                                            .kind = ASHLAR_PLUGIN,
                                            .name = "numbers",
                                            .version = "1.0",
                                            .summary = "a disk of numbers",
                                            .threads = ASHLAR_PARALLEL,
                                            .n_params = 1,
                                            .params = params,
                                            .create = create,
                                            .destroy = free,
                                            .open = open_device};

__attribute__((visibility("default"))) const struct ashlar_module* ashlar_entry(uint32_t host_major);
const struct ashlar_module* ashlar_entry(uint32_t host_major) {
  return host_major == ASHLAR_ABI_MAJOR ? &module : NULL;
}
