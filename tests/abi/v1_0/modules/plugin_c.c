/* plugin_c: a disk in memory that uses all that abi.h 1.0 has for a plugin. Its bytes are in a memfd, so that it can
 * lend them; of each block of 4 KiB it knows whether it was written to. */
#define _GNU_SOURCE
#include "layer_c.h"

#include <fcntl.h>
#include <sys/mman.h>

#define BLOCK UINT64_C(4096)
#define MOST_EXTENTS 16

struct disk {
  struct layer layer;
  int fd;
  uint64_t bytes;
  unsigned char* written; /* one per block */
  pthread_mutex_t mutex;  /* over what is changed, never over a wait */
};

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* ---- the ops ---- */

static int is_unwritten(const struct disk* disk, uint64_t offset, uint64_t length) {
  for (uint64_t block = offset / BLOCK; block * BLOCK < offset + length; ++block)
    if (disk->written[block]) return 0;
  return 1;
}

static int is_bad(const struct layer* layer, const struct ashlar_io* io) {
  for (int64_t i = 0; i < layer->bad->number; ++i) {
    const uint64_t at = (uint64_t)layer->bad->items[i]->number;
    if (at >= io->offset && at - io->offset < io->length) return 1;
  }
  return 0;
}

static int32_t read_disk(struct device* device, struct ashlar_io* io) {
  struct disk* disk = (struct disk*)device->layer;
  if (is_bad(device->layer, io)) return fail_bad(device);
  if ((io->flags & ASHLAR_MAY_HOLE) != 0 && is_unwritten(disk, io->offset, io->length)) {
    io->extents->add(io->extents->self, io->length, ASHLAR_HOLE | ASHLAR_ZERO);
    return 0;
  }
  if ((io->flags & (ASHLAR_MAY_LEND | ASHLAR_LEND_ONLY)) != 0) {
    io->lent_fd = disk->fd;
    io->lent_offset = io->offset;
    if ((io->flags & ASHLAR_MAY_LEND_COLD) != 0) io->lent_cold = io->offset / BLOCK % 2 == 1;
    return 0;
  }
  return pread(disk->fd, io->data, io->length, (off_t)io->offset) == (ssize_t)io->length ? 0 : EIO;
}

static int32_t write_bytes(struct disk* disk, const char* from, uint64_t offset, uint64_t length) {
  memset(disk->written + offset / BLOCK, 1, (offset + length - 1) / BLOCK - offset / BLOCK + 1);
  return pwrite(disk->fd, from, length, (off_t)offset) == (ssize_t)length ? 0 : ENOSPC;
}

/* Blocks that lie in the range as a whole are unwritten afterwards. */
static int32_t punch(struct disk* disk, uint64_t offset, uint64_t length) {
  if (fallocate(disk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) != 0) return errno;
  const uint64_t end = offset + length;
  for (uint64_t block = (offset + BLOCK - 1) / BLOCK; smaller((block + 1) * BLOCK, disk->bytes) <= end; ++block) {
    if (block * BLOCK >= disk->bytes) break;
    disk->written[block] = 0;
  }
  return 0;
}

static int32_t write_zeroes(struct disk* disk, uint64_t offset, uint64_t length) {
  static const char zeroes[65536];
  for (uint64_t done = 0; done < length;) {
    const uint64_t part = smaller(sizeof zeroes, length - done);
    const int32_t status = write_bytes(disk, zeroes, offset + done, part);
    if (status != 0) return status;
    done += part;
  }
  return 0;
}

static int32_t change(struct disk* disk, struct ashlar_io* io) {
  int32_t status = 0;
  if ((io->flags & ASHLAR_NOWAIT) != 0) {
    if (pthread_mutex_trylock(&disk->mutex) != 0) return EAGAIN;
  } else {
    pthread_mutex_lock(&disk->mutex);
  }
  if (io->op == ASHLAR_OP_WRITE) status = write_bytes(disk, io->data, io->offset, io->length);
  else if (io->op == ASHLAR_OP_TRIM || (io->flags & ASHLAR_MAY_TRIM) != 0) status = punch(disk, io->offset, io->length);
  else if ((io->flags & ASHLAR_FAST) != 0) status = ENOTSUP;
  else status = write_zeroes(disk, io->offset, io->length);
  pthread_mutex_unlock(&disk->mutex);
  return status;
}

static int32_t tell_extents(const struct disk* disk, const struct ashlar_io* io) {
  uint64_t at = io->offset;
  for (int told = 0; at < io->offset + io->length && told < MOST_EXTENTS; ++told) {
    const unsigned char written = disk->written[at / BLOCK];
    uint64_t end = at;
    while (end < disk->bytes && disk->written[end / BLOCK] == written)
      end = smaller((end / BLOCK + 1) * BLOCK, disk->bytes);
    if (io->extents->add(io->extents->self, end - at, written ? 0 : ASHLAR_HOLE | ASHLAR_ZERO) != 0) break;
    if ((io->flags & ASHLAR_REQ_ONE) != 0) break;
    at = end;
  }
  return 0;
}

static int32_t process(void* self, struct ashlar_io* io) {
  struct device* device = self;
  struct disk* disk = (struct disk*)device->layer;
  count(device->layer, io);
  switch (io->op) {
    case ASHLAR_OP_READ: return read_disk(device, io);
    case ASHLAR_OP_WRITE:
    case ASHLAR_OP_TRIM:
    case ASHLAR_OP_ZERO: return change(disk, io);
    case ASHLAR_OP_FLUSH: return (io->flags & ASHLAR_NOWAIT) != 0 ? 0 : wait_for_thread(device->layer);
    case ASHLAR_OP_CACHE: return sleep_a_little(device->layer);
    case ASHLAR_OP_EXTENTS: return tell_extents(disk, io);
    default: return ENOTSUP;
  }
}

/* ---- devices and the layer ---- */

static int32_t describe(void* self, struct ashlar_geometry* out, struct ashlar_error* error) {
  const struct device* device = self;
  const struct disk* disk = (const struct disk*)device->layer;
  (void)error;
  out->minimum = 1;
  out->preferred = 4096;
  out->maximum = 8 << 20;
  out->bytes = disk->bytes;
  out->ops = ASHLAR_OPS_KNOWN;
  out->flags = ASHLAR_FLAGS_KNOWN;
  out->traits = ASHLAR_MULTI_CONN;
  if (device->layer->rotational) out->traits |= ASHLAR_ROTATIONAL;
  if (device->read_only) {
    out->traits |= ASHLAR_READ_ONLY;
    out->ops &= ~(ASHLAR_OP_BIT(ASHLAR_OP_WRITE) | ASHLAR_OP_BIT(ASHLAR_OP_TRIM) | ASHLAR_OP_BIT(ASHLAR_OP_ZERO));
  }
  out->depth = device->layer->depth;
  return 0;
}

static int32_t open_device(void* layer, const struct ashlar_open* how, struct ashlar_device* out,
                           struct ashlar_error* error) {
  struct device* device = make_device(layer, how, error);
  if (device == NULL) return ENOMEM;
  out->self = device;
  out->describe = describe;
  out->process = process;
  out->close = close_device;
  out->extension = device_extension;
  return 0;
}

static int32_t count_written(void* argument, const struct ashlar_verb_call* call, struct ashlar_error* error) {
  struct disk* disk = argument;
  char text[64];
  uint64_t blocks = 0;
  if (call->n_arguments > 1) {
    snprintf(error->text, error->capacity, "\"%s\" is an argument too many", call->arguments[1]);
    return E2BIG;
  }
  pthread_mutex_lock(&disk->mutex);
  for (uint64_t block = 0; block * BLOCK < disk->bytes; ++block) blocks += disk->written[block];
  pthread_mutex_unlock(&disk->mutex);
  const int length = snprintf(text, sizeof text, "%s %llu", call->n_arguments == 1 ? call->arguments[0] : "blocks",
                              (unsigned long long)blocks);
  call->answer(call->self, text, (size_t)length);
  return 0;
}

static const struct ashlar_verb written_verb = {.struct_size = sizeof(struct ashlar_verb),
                                                .below = ASHLAR_BELOW_NONE,
                                                .name = "written",
                                                .help = "how many blocks were written to",
                                                .call = count_written};

static void destroy(void* self) {
  struct disk* disk = self;
  end_layer(&disk->layer);
  pthread_mutex_destroy(&disk->mutex);
  if (disk->fd >= 0) close(disk->fd);
  free(disk->written);
  free(disk);
}

static int32_t create(const struct ashlar_create* how, struct ashlar_layer* out, struct ashlar_error* error) {
  struct disk* disk = calloc(1, sizeof *disk);
  if (disk == NULL) return ENOMEM;
  disk->bytes = (uint64_t)how->values[0]->number;
  disk->written = calloc(disk->bytes / BLOCK + 1, 1);
  disk->fd = memfd_create("plugin_c", MFD_CLOEXEC);
  pthread_mutex_init(&disk->mutex, NULL);
  int32_t status = disk->written == NULL || disk->fd < 0 || ftruncate(disk->fd, (off_t)disk->bytes) != 0 ? ENOMEM : 0;
  if (status == 0) status = begin_layer(&disk->layer, how, disk->bytes, error);
  if (status == 0) status = offer_verb(&disk->layer, &written_verb, disk);
  if (status != 0) {
    destroy(disk);
    return status;
  }
  out->self = disk;
  return 0;
}

/* ---- the module ---- */

static int32_t probe(const char* path, uint32_t flags, const struct ashlar_probe_sink* sink,
                     struct ashlar_error* error) {
  if (path[0] != '/') {
    snprintf(error->text, error->capacity, "\"%s\" is not absolute", path);
    return EINVAL;
  }
  if (sink->kind(sink->self, "a place") != 0 || sink->row(sink->self, "reads", ASHLAR_PROBE_YES, path) != 0) return 0;
  sink->row(sink->self, "flies", ASHLAR_PROBE_NO, "it has no wings");
  sink->row(sink->self, "writes", (flags & ASHLAR_PROBE_ONLY_ASK) != 0 ? ASHLAR_PROBE_UNKNOWN : ASHLAR_PROBE_YES, "");
  return 0;
}

static const struct ashlar_probe probe_table = {.struct_size = sizeof(struct ashlar_probe), .probe = probe};

static int32_t list(void* layer, const struct ashlar_exports_sink* sink, struct ashlar_error* error) {
  (void)layer;
  (void)error;
  if (sink->add(sink->self, "one", "the first") == 0) sink->add(sink->self, "two", NULL);
  return 0;
}

static const struct ashlar_exports exports_table = {.struct_size = sizeof(struct ashlar_exports), .list = list};

static int32_t begin(void* layer, struct ashlar_error* error) {
  (void)error;
  say(((struct disk*)layer)->layer.host, ASHLAR_LOG_INFO, "begins to serve");
  return 0;
}

static const struct ashlar_serving serving_table = {.struct_size = sizeof(struct ashlar_serving), .begin = begin};

static const struct ashlar_connects connects_table = {.struct_size = sizeof(struct ashlar_connects)};
static const struct ashlar_group group_table = {.struct_size = sizeof(struct ashlar_group), .name = "old disks"};

static const void* extension(const char* id) {
  if (strcmp(id, ASHLAR_CONNECTS_ID) == 0) return &connects_table;
  if (strcmp(id, ASHLAR_GROUP_ID) == 0) return &group_table;
  if (strcmp(id, ASHLAR_SERVING_ID) == 0) return &serving_table;
  if (strcmp(id, ASHLAR_PROBE_ID) == 0) return &probe_table;
  if (strcmp(id, ASHLAR_EXPORTS_ID) == 0) return &exports_table;
  return NULL;
}

static const struct ashlar_param size_param = {.struct_size = sizeof(struct ashlar_param),
                                               .type = ASHLAR_PARAM_SIZE,
                                               .name = "size",
                                               .help = "bytes of the disk",
                                               .default_text = "1M",
                                               .minimum = 4096,
                                               .maximum = INT64_C(1) << 30};
static const struct ashlar_param* const params[] = {&size_param, COMMON_PARAMS};

static const struct ashlar_module module = {.struct_size = sizeof(struct ashlar_module),
                                            .abi_major = ASHLAR_ABI_MAJOR,
                                            .needs_minor = ASHLAR_ABI_MINOR,
                                            .kind = ASHLAR_PLUGIN,
                                            .name = "plugin_c",
                                            .version = "1.0",
                                            .summary = "a disk in memory, of ABI 1.0",
                                            .threads = ASHLAR_PARALLEL,
                                            .n_params = sizeof params / sizeof params[0],
                                            .params = params,
                                            .create = create,
                                            .destroy = destroy,
                                            .open = open_device,
                                            .extension = extension};

__attribute__((visibility("default"))) const struct ashlar_module* ashlar_entry(uint32_t host_major);
const struct ashlar_module* ashlar_entry(uint32_t host_major) {
  return host_major == ASHLAR_ABI_MAJOR ? &module : NULL;
}
