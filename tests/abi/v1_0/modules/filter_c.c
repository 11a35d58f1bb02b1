/* filter_c: inverts the bytes, and uses all that abi.h 1.0 has for a filter. */
#include "layer_c.h"

/* Rows of its own. */
enum { REOPENS = OWN, FORGETS };

struct filter {
  struct layer layer;
  int reopens; /* the layers below, when a read fails there */
  int forgets; /* what is written, and never writes below */
};

static void invert(unsigned char* to, const unsigned char* from, uint64_t length) {
  for (uint64_t i = 0; i < length; ++i) to[i] = (unsigned char)~from[i];
}

/* What a request for the layer below is made of: one of the same client's request. */
static struct ashlar_io made_of(const struct ashlar_io* io) {
  return (struct ashlar_io){.struct_size = sizeof(struct ashlar_io),
                            .op = io->op,
                            .flags = io->flags,
                            .offset = io->offset,
                            .length = io->length,
                            .data = io->data,
                            .extents = io->extents,
                            .lent_fd = -1,
                            .id = io->id,
                            .arrived = io->arrived};
}

static int32_t hand_on(struct device* device, struct ashlar_io* io) {
  return device->next->process(device->next->self, io);
}

static int32_t reopen(struct device* device, uint64_t seen) {
  char text[256] = "";
  struct ashlar_error error = {sizeof error, -1, text, sizeof text};
  const int32_t status = device->reopen->reopen(device->reopen->self, seen, &error);
  say(device->layer->host, ASHLAR_LOG_WARN, "opened anew: %d %s", (int)status, text);
  return status;
}

static int32_t read_inverted(struct device* device, struct ashlar_io* io) {
  struct ashlar_io below = made_of(io);
  const uint64_t seen = device->reopen != NULL ? device->reopen->generation(device->reopen->self) : 0;
  int32_t status = hand_on(device, &below);
  if (status == EIO && device->reopen != NULL && reopen(device, seen) == 0) status = hand_on(device, &below);
  if (status == 0) invert(io->data, io->data, io->length);
  if (status == EIO) return fail_bad(device);
  return status;
}

static int32_t write_inverted(struct device* device, struct ashlar_io* io) {
  struct ashlar_io below = made_of(io);
  below.data = malloc(io->length);
  if (below.data == NULL) return ENOMEM;
  invert(below.data, io->data, io->length);
  const int32_t status = hand_on(device, &below);
  free(below.data);
  return status;
}

/* What reads as zeroes below, be it a hole or not, does not here. */
static int32_t take_extent(void* self, uint64_t length, uint32_t state) {
  const struct ashlar_extent_sink* above = self;
  return above->add(above->self, length, (state & ASHLAR_ZERO) != 0 ? 0 : state);
}

static int32_t tell_extents(struct device* device, struct ashlar_io* io) {
  const struct ashlar_extent_sink above = *io->extents, sink = {(void*)&above, take_extent};
  struct ashlar_io below = made_of(io);
  below.extents = &sink;
  return hand_on(device, &below);
}

/* Where that is allowed. */
static int32_t wait_a_little(struct device* device, const struct ashlar_io* io) {
  if ((io->flags & ASHLAR_NOWAIT) != 0) return 0;
  return io->op == ASHLAR_OP_CACHE ? sleep_a_little(device->layer) : wait_for_thread(device->layer);
}

static int32_t process(void* self, struct ashlar_io* io) {
  struct device* device = self;
  const struct filter* filter = (const struct filter*)device->layer;
  const int changes = io->op == ASHLAR_OP_WRITE || io->op == ASHLAR_OP_TRIM || io->op == ASHLAR_OP_FLUSH;
  count(device->layer, io);
  if (filter->forgets && changes) return 0;
  switch (io->op) {
    case ASHLAR_OP_READ: return read_inverted(device, io);
    case ASHLAR_OP_WRITE: return write_inverted(device, io);
    case ASHLAR_OP_EXTENTS: return tell_extents(device, io);
    case ASHLAR_OP_CACHE:
    case ASHLAR_OP_FLUSH: {
      const int32_t status = wait_a_little(device, io);
      return status != 0 ? status : hand_on(device, io);
    }
    case ASHLAR_OP_TRIM: return hand_on(device, io);
    default: return ENOTSUP;
  }
}

static int32_t describe(void* self, struct ashlar_geometry* out, struct ashlar_error* error) {
  const struct device* device = self;
  const struct ashlar_geometry* below = &device->below;
  const struct filter* filter = (const struct filter*)device->layer;
  const uint64_t writes =
      ASHLAR_OP_BIT(ASHLAR_OP_WRITE) | ASHLAR_OP_BIT(ASHLAR_OP_FLUSH) | ASHLAR_OP_BIT(ASHLAR_OP_TRIM);
  (void)error;
  out->minimum = below->minimum;
  out->preferred = below->preferred;
  out->maximum = below->maximum;
  out->bytes = below->bytes;
  out->ops = below->ops & ASHLAR_OPS_KNOWN & ~ASHLAR_OP_BIT(ASHLAR_OP_ZERO);
  out->flags = below->flags & (ASHLAR_FUA | ASHLAR_REQ_ONE | ASHLAR_NOWAIT);
  out->traits = below->traits & (ASHLAR_READ_ONLY | ASHLAR_ROTATIONAL | ASHLAR_MULTI_CONN);
  out->depth = device->layer->depth;
  if (filter->forgets) {
    out->ops |= writes;
    out->traits &= ~ASHLAR_READ_ONLY;
  }
  if (device->read_only) out->ops &= ~(ASHLAR_OP_BIT(ASHLAR_OP_WRITE) | ASHLAR_OP_BIT(ASHLAR_OP_TRIM));
  return 0;
}

static int32_t open_device(void* layer, const struct ashlar_open* how, struct ashlar_device* out,
                           struct ashlar_error* error) {
  const struct filter* filter = layer;
  struct device* device = make_device(layer, how, error);
  if (device == NULL) return ENOMEM;
  if (filter->reopens) device->reopen = how->extension(how->self, ASHLAR_REOPEN_ID);
  out->self = device;
  out->describe = describe;
  out->process = process;
  out->close = close_device;
  out->extension = device_extension;
  return 0;
}

/* ---- verbs ---- */

static int32_t through(const struct ashlar_verb_call* call, uint32_t op, void* data, uint64_t length) {
  struct ashlar_io io = {.struct_size = sizeof io, .op = op, .length = length, .data = data, .lent_fd = -1};
  if ((call->below->ops & ASHLAR_OP_BIT(op)) == 0 || call->below->bytes < length) return ENOTSUP;
  return call->next->process(call->next->self, &io);
}

static int32_t sum(void* argument, const struct ashlar_verb_call* call, struct ashlar_error* error) {
  unsigned char bytes[4096];
  char text[32];
  unsigned long total = 0;
  (void)argument;
  (void)error;
  const int32_t status = through(call, ASHLAR_OP_READ, bytes, sizeof bytes);
  if (status != 0) return status;
  for (size_t i = 0; i < sizeof bytes; ++i) total += bytes[i];
  call->answer(call->self, text, (size_t)snprintf(text, sizeof text, "sum %lu", total));
  return 0;
}

static int32_t fill(void* argument, const struct ashlar_verb_call* call, struct ashlar_error* error) {
  unsigned char bytes[4096];
  (void)argument;
  if (call->n_arguments != 1) {
    snprintf(error->text, error->capacity, "fill with what?");
    return EINVAL;
  }
  memset(bytes, atoi(call->arguments[0]), sizeof bytes);
  return through(call, ASHLAR_OP_WRITE, bytes, sizeof bytes);
}

static const struct ashlar_verb sum_verb = {.struct_size = sizeof(struct ashlar_verb),
                                            .below = ASHLAR_BELOW_READ,
                                            .name = "sum",
                                            .help = "of the first block below",
                                            .call = sum};
static const struct ashlar_verb fill_verb = {.struct_size = sizeof(struct ashlar_verb),
                                             .below = ASHLAR_BELOW_WRITE,
                                             .name = "fill",
                                             .help = "the first block below",
                                             .call = fill};

/* ---- the layer and the module ---- */

static void destroy(void* self) {
  struct filter* filter = self;
  end_layer(&filter->layer);
  free(filter);
}

static int32_t create(const struct ashlar_create* how, struct ashlar_layer* out, struct ashlar_error* error) {
  struct filter* filter = calloc(1, sizeof *filter);
  if (filter == NULL) return ENOMEM;
  filter->reopens = how->values[REOPENS]->number != 0;
  filter->forgets = how->values[FORGETS]->number != 0;
  int32_t status = begin_layer(&filter->layer, how, UINT64_MAX, error);
  if (status == 0) status = offer_verb(&filter->layer, &sum_verb, filter);
  if (status == 0) status = offer_verb(&filter->layer, &fill_verb, filter);
  if (status != 0) {
    destroy(filter);
    return status;
  }
  out->self = filter;
  if (filter->forgets) out->traits |= ASHLAR_NEVER_WRITES_BELOW;
  return 0;
}

static const struct ashlar_param unit_param = {
    sizeof unit_param, ASHLAR_PARAM_SIZE, "unit", "bytes, of no effect", "1M", 0, 0, 0, INT64_MAX, NULL};
static const struct ashlar_param reopens_param = {sizeof reopens_param,
                                                  ASHLAR_PARAM_BOOL,
                                                  "reopens",
                                                  "the layers below, when a read fails",
                                                  "false",
                                                  0,
                                                  0,
                                                  0,
                                                  0,
                                                  NULL};
static const struct ashlar_param forgets_param = {
    sizeof forgets_param, ASHLAR_PARAM_BOOL, "forgets", "what is written", "false", 0, 0, 0, 0, NULL};
static const struct ashlar_param* const params[] = {&unit_param, COMMON_PARAMS, &reopens_param, &forgets_param};

static const struct ashlar_module module = {.struct_size = sizeof(struct ashlar_module),
                                            .abi_major = ASHLAR_ABI_MAJOR,
                                            .needs_minor = ASHLAR_ABI_MINOR,
                                            .kind = ASHLAR_FILTER,
                                            .name = "filter_c",
                                            .version = "1.0",
                                            .summary = "inverts the bytes, of ABI 1.0",
                                            .threads = ASHLAR_PARALLEL,
                                            .n_params = sizeof params / sizeof params[0],
                                            .params = params,
                                            .create = create,
                                            .destroy = destroy,
                                            .open = open_device};

__attribute__((visibility("default"))) const struct ashlar_module* ashlar_entry(uint32_t host_major);
const struct ashlar_module* ashlar_entry(uint32_t host_major) {
  return host_major == ASHLAR_ABI_MAJOR ? &module : NULL;
}
