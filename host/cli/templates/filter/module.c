/* new-module: refuses to change the first bytes of the disk below. Put your own rule in its place.
 * ashlar/abi.h tells the rules. */
#include <ashlar/abi.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* One for each place in the config, shared by the export's connections. */
struct layer {
  uint64_t guarded;
};

/* One for each connection. What it points to stays valid until it is closed. */
struct device {
  const struct ashlar_device* next;
  const struct ashlar_geometry* below;
  uint64_t guarded;
};

/* What the layer below offers, cut to the ops and flags that this filter knows. */
static int32_t describe(void* self, struct ashlar_geometry* out, struct ashlar_error* error) {
  const struct ashlar_geometry* below = ((const struct device*)self)->below;
  (void)error;
  out->minimum = below->minimum;
  out->preferred = below->preferred;
  out->maximum = below->maximum;
  out->bytes = below->bytes;
  out->ops = below->ops & ASHLAR_OPS_KNOWN;
  out->flags = below->flags & ASHLAR_FLAGS_KNOWN;
  out->traits = below->traits & ASHLAR_TRAITS_KNOWN;
  out->depth = below->depth;
  return 0;
}

static int32_t process(void* self, struct ashlar_io* io) {
  const struct device* device = self;
  const int changes = io->op == ASHLAR_OP_WRITE || io->op == ASHLAR_OP_TRIM || io->op == ASHLAR_OP_ZERO;
  if (changes && io->offset < device->guarded) return EPERM;
  return device->next->process(device->next->self, io);
}

static int32_t out_of_memory(struct ashlar_error* error) {
  snprintf(error->text, error->capacity, "out of memory");
  return ENOMEM;
}

static int32_t create(const struct ashlar_create* how, struct ashlar_layer* out, struct ashlar_error* error) {
  struct layer* layer = malloc(sizeof *layer);
  if (layer == NULL) return out_of_memory(error);
  layer->guarded = (uint64_t)how->values[0]->number;
  out->self = layer;
  return 0;
}

static int32_t open_device(void* layer, const struct ashlar_open* how, struct ashlar_device* out,
                           struct ashlar_error* error) {
  struct device* device = malloc(sizeof *device);
  if (device == NULL) return out_of_memory(error);
  device->next = how->next;
  device->below = how->below;
  device->guarded = ((const struct layer*)layer)->guarded;
  out->self = device;
  out->describe = describe;
  out->process = process;
  out->close = free;
  out->extension = NULL;
  return 0;
}

static const struct ashlar_param guarded_param = {.struct_size = sizeof(struct ashlar_param),
                                                  .type = ASHLAR_PARAM_SIZE,
                                                  .name = "guarded",
                                                  .help = "how many bytes at the start of the disk cannot be changed",
                                                  .default_text = "0",
                                                  .minimum = 0,
                                                  .maximum = INT64_MAX};
static const struct ashlar_param* const params[] = {&guarded_param};

static const struct ashlar_module module = {.struct_size = sizeof(struct ashlar_module),
                                            .abi_major = ASHLAR_ABI_MAJOR,
                                            .needs_minor = ASHLAR_ABI_MINOR,
                                            .kind = ASHLAR_FILTER,
                                            .name = "new-module",
                                            .version = "0.1",
                                            .summary = "guards the start of a disk",
                                            .threads = ASHLAR_PARALLEL, /* calls may come at once */
                                            .n_params = 1,
                                            .params = params,
                                            .create = create,
                                            .destroy = free,
                                            .open = open_device};

__attribute__((visibility("default"))) const struct ashlar_module* ashlar_entry(uint32_t host_major);
const struct ashlar_module* ashlar_entry(uint32_t host_major) {
  return host_major == ASHLAR_ABI_MAJOR ? &module : NULL;
}
