/* new-module: a disk in memory, gone with the server. Put your own storage in its place.
 * ashlar/abi.h tells the rules. */
#include <ashlar/abi.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One for each export in the config, shared by the export's connections. */
struct disk {
  uint64_t size;
  unsigned char* bytes;
};

static int32_t describe(void* self, struct ashlar_geometry* out, struct ashlar_error* error) {
  const struct disk* disk = self;
  (void)error;
  out->minimum = 1;
  out->preferred = 4096;
  out->maximum = 0;
  out->bytes = disk->size;
  out->ops = ASHLAR_OP_BIT(ASHLAR_OP_READ) | ASHLAR_OP_BIT(ASHLAR_OP_WRITE) | ASHLAR_OP_BIT(ASHLAR_OP_FLUSH);
  out->flags = 0;
  out->traits = ASHLAR_MULTI_CONN;
  out->depth = 0;
  return 0;
}

/* The host has seen to it that the range lies within the size. */
static int32_t process(void* self, struct ashlar_io* io) {
  struct disk* disk = self;
  switch (io->op) {
    case ASHLAR_OP_READ: memcpy(io->data, disk->bytes + io->offset, io->length); return 0;
    case ASHLAR_OP_WRITE: memcpy(disk->bytes + io->offset, io->data, io->length); return 0;
    case ASHLAR_OP_FLUSH: return 0;
    default: return ENOTSUP;
  }
}

static void close_device(void* self) { (void)self; /* it is the layer */ }

static void destroy(void* layer) {
  struct disk* disk = layer;
  free(disk->bytes);
  free(disk);
}

static int32_t create(const struct ashlar_create* how, struct ashlar_layer* out, struct ashlar_error* error) {
  struct disk* disk = malloc(sizeof *disk);
  if (disk != NULL) {
    disk->size = (uint64_t)how->values[0]->number;
    disk->bytes = calloc(1, disk->size + 1); /* calloc(0) may return NULL */
  }
  if (disk == NULL || disk->bytes == NULL) {
    free(disk);
    snprintf(error->text, error->capacity, "out of memory");
    return ENOMEM;
  }
  out->self = disk;
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
                                               .default_text = "64M",
                                               .minimum = 0,
                                               .maximum = 1 << 30};
static const struct ashlar_param* const params[] = {&size_param};

static const struct ashlar_module module = {.struct_size = sizeof(struct ashlar_module),
                                            .abi_major = ASHLAR_ABI_MAJOR,
                                            .needs_minor = ASHLAR_ABI_MINOR,
                                            .kind = ASHLAR_PLUGIN,
                                            .name = "new-module",
                                            .version = "0.1",
                                            .summary = "a disk in memory",
                                            .threads = ASHLAR_SERIAL, /* a layer gets one call at a time */
                                            .n_params = 1,
                                            .params = params,
                                            .create = create,
                                            .destroy = destroy,
                                            .open = open_device};

__attribute__((visibility("default"))) const struct ashlar_module* ashlar_entry(uint32_t host_major);
const struct ashlar_module* ashlar_entry(uint32_t host_major) {
  return host_major == ASHLAR_ABI_MAJOR ? &module : NULL;
}
