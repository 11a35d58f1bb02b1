/* A module that does nothing, in the variants that the definitions ask for. */
#include <ashlar/abi.h>
#include <errno.h>

#ifndef MAJOR
#define MAJOR ASHLAR_ABI_MAJOR
#endif
#ifndef NEEDS_MINOR
#define NEEDS_MINOR 0
#endif
#ifndef ENTRY
#define ENTRY ashlar_entry
#endif

#ifdef CALLS_UNDEFINED
void a_function_that_nobody_has(void);
#endif

static int32_t create(const struct ashlar_create* how, struct ashlar_layer* out, struct ashlar_error* error) {
  (void)how;
  (void)out;
  (void)error;
#ifdef CALLS_UNDEFINED
  a_function_that_nobody_has();
#endif
  return ENOTSUP;
}
static void destroy(void* layer) { (void)layer; }
static int32_t open_device(void* layer, const struct ashlar_open* how, struct ashlar_device* out,
                           struct ashlar_error* error) {
  (void)layer;
  (void)how;
  (void)out;
  (void)error;
  return ENOTSUP;
}

static const struct ashlar_param size_row = {
    sizeof size_row, ASHLAR_PARAM_SIZE, "size", "bytes", "64K", 0, 0, 512, 1 << 20, 0};
static const struct ashlar_param path_row = {sizeof path_row, ASHLAR_PARAM_PATH, "path", "where", 0, 1, 0, 0, 0, 0};
static const struct ashlar_param* const rows[] = {&size_row, &path_row};

static const struct ashlar_module module = {sizeof module, MAJOR,          NEEDS_MINOR,     KIND, NAME,
                                            "1.2",         "does nothing", ASHLAR_PARALLEL, 2,    rows,
                                            create,        destroy,        open_device,     0};

__attribute__((visibility("default"))) const struct ashlar_module* ENTRY(uint32_t host_major);
const struct ashlar_module* ENTRY(uint32_t host_major) {
#ifdef ANSWERS_ALL
  (void)host_major;
  return &module;
#else
  return host_major == MAJOR ? &module : 0;
#endif
}
