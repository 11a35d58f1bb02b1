/* As liar.c: a plugin of 1 MiB of zeroes that is right in all but one thing, LIE: those of the module as a whole, of
 * layers that never serve, of its parameters, and in how it waits. */
#include <ashlar/abi.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum lie {
  SERVES_MAJOR_0,
  TABLE_CHANGES,
  EXTENSION_OF_ANOTHER_REVISION,
  DEVICE_EXTENSION_OF_ANOTHER_REVISION,
  CRASHES_FOR_AN_UNKNOWN_REPLY,
  EXPORTS_WHEN_NO_MORE_IS_WANTED,
  EXPORTS_WITH_A_SLASH,
  EXPORTS_WITH_A_DOT,
  LIST_STATUS_HUGE,
  PROBE_WHEN_NO_MORE_IS_WANTED,
  PROBE_STATUS_HUGE,
  PROBE_CRASHES_FOR_NO_FILE,
  /* layers that never serve */
  NEEDS_TO_BEGIN,
  MAKES_A_FILE_ON_TRIAL,
  WRITES_TO_ITS_FILE_ON_TRIAL,
  LEAKS_WHEN_IT_REFUSES,
  BLAMES_ANOTHER_PARAMETER,
  LOGS_ITS_SECRET,
  REFUSES_WITH_ITS_SECRET,
  CRASHES_AT_THE_LEAST,
  CRASHES_AT_THE_MOST,
  CRASHES_AT_A_CHOICE,
  /* waiting */
  WAITS_ON_ANOTHER_THREAD,
  BLOCKS_WITHIN_NOWAIT,
  WAITS_WITHIN_WORK
};

struct layer {
  const struct ashlar_host* host;
  int has_begun;
};

static int32_t describe(void* self, struct ashlar_geometry* out, struct ashlar_error* error) {
  (void)self;
  (void)error;
  out->minimum = 1;
  out->preferred = 4096;
  out->bytes = UINT64_C(1) << 20;
  out->ops = ASHLAR_OP_BIT(ASHLAR_OP_READ);
  out->flags = ASHLAR_NOWAIT;
  out->traits = ASHLAR_READ_ONLY;
  return 0;
}

static const void* service(const struct layer* layer, const char* id) {
  return layer->host->extension(layer->host->self, id);
}

struct waiting {
  const struct ashlar_wait* wait;
  struct ashlar_ticket* ticket;
};

static void* wait_there(void* argument) {
  const struct waiting* waiting = argument;
  waiting->wait->wait(waiting->wait->self, waiting->ticket);
  return NULL;
}

static void wait_on_another_thread(const struct ashlar_wait* wait) {
  struct waiting waiting = {wait, wait->begin(wait->self)};
  pthread_t thread;
  wait->done(wait->self, waiting.ticket, 0);
  if (pthread_create(&thread, NULL, wait_there, &waiting) == 0) pthread_join(thread, NULL);
}

static void work(void* argument) {
  const struct ashlar_wait* wait = argument;
  if (LIE == WAITS_WITHIN_WORK) wait->sleep_until(wait->self, 1);
}

static int32_t process(void* self, struct ashlar_io* io) {
  const struct ashlar_blocking* blocking = service(self, ASHLAR_BLOCKING_ID);
  void* wait = (void*)(uintptr_t)service(self, ASHLAR_WAIT_ID);
  if (io->op != ASHLAR_OP_READ) return ENOTSUP;
  if (LIE == WAITS_ON_ANOTHER_THREAD) wait_on_another_thread(wait);
  if (LIE == WAITS_WITHIN_WORK && (io->flags & ASHLAR_NOWAIT) == 0) blocking->run(blocking->self, work, wait);
  if (LIE == BLOCKS_WITHIN_NOWAIT) blocking->run(blocking->self, work, wait);
  memset(io->data, 0, io->length);
  return 0;
}

static void close_device(void* self) { (void)self; }

static void replied(void* self, uint64_t id, int32_t status) {
  (void)self;
  (void)id;
  if (LIE == CRASHES_FOR_AN_UNKNOWN_REPLY && status == ECONNABORTED) abort(); /* it does not know that one */
}
static const struct ashlar_replied replied_table = {sizeof replied_table, 0, NULL, replied};

static int begins_with(const char* id, const char* known) { return strncmp(id, known, strlen(known)) == 0; }

static const void* device_extension(void* self, const char* id) {
  (void)self;
  if (LIE == DEVICE_EXTENSION_OF_ANOTHER_REVISION && begins_with(id, "ashlar.replied/")) return &replied_table;
  return LIE == CRASHES_FOR_AN_UNKNOWN_REPLY && strcmp(id, ASHLAR_REPLIED_ID) == 0 ? &replied_table : NULL;
}

static int refuse(struct ashlar_error* error, const char* text) {
  snprintf(error->text, error->capacity, "%s", text);
  return EINVAL;
}

enum row { PATH, SECRET, NUMBER, CHOICE };

static int write_beside(const char* path, const char* end) {
  char name[4096];
  snprintf(name, sizeof name, "%s%s", path, end);
  const int fd = open(name, O_WRONLY | O_CREAT, 0600);
  if (fd < 0) return EIO;
  const int failed = write(fd, "trial", 5) != 5;
  close(fd);
  return failed ? EIO : 0;
}

static struct ashlar_module module;

static int32_t create(const struct ashlar_create* how, struct ashlar_layer* out, struct ashlar_error* error) {
  const struct ashlar_host* host = how->host;
  const char* path = how->values[PATH]->text;
  const char* secret = how->values[SECRET]->text;
  const int64_t number = how->values[NUMBER]->number;
  if (LIE == TABLE_CHANGES) module.summary = "a liar, seen again";
  if (LIE == LOGS_ITS_SECRET && secret != NULL) host->log(host->self, ASHLAR_LOG_DEBUG, secret, strlen(secret));
  if (LIE == REFUSES_WITH_ITS_SECRET && secret != NULL && strcmp(secret, "swordfish") != 0)
    return refuse(error, secret);
  if (LIE == CRASHES_AT_THE_LEAST && number == 0) abort();
  if (LIE == CRASHES_AT_THE_MOST && number == 1000) abort();
  if (LIE == CRASHES_AT_A_CHOICE && how->values[CHOICE]->number == 1) abort();
  if (LIE == MAKES_A_FILE_ON_TRIAL && path != NULL && write_beside(path, ".lock") != 0) return refuse(error, "no lock");
  if (LIE == WRITES_TO_ITS_FILE_ON_TRIAL && path != NULL && write_beside(path, "") != 0)
    return refuse(error, "no file");
  if (LIE == LEAKS_WHEN_IT_REFUSES && path != NULL && access(path, F_OK) != 0) {
    if (open("/dev/null", O_RDONLY) < 0) return refuse(error, "no descriptors");
    return refuse(error, "no file");
  }
  if (LIE == BLAMES_ANOTHER_PARAMETER && path != NULL && access(path, F_OK) != 0) {
    error->parameter = NUMBER;
    return refuse(error, "no file");
  }
  struct layer* layer = calloc(1, sizeof *layer);
  if (layer == NULL) return ENOMEM;
  layer->host = host;
  out->self = layer;
  return 0;
}

static int32_t begin(void* layer, struct ashlar_error* error) {
  (void)error;
  ((struct layer*)layer)->has_begun = 1;
  return 0;
}
static const struct ashlar_serving serving_table = {sizeof serving_table, 0, begin};

static void destroy(void* layer) {
  if (LIE == NEEDS_TO_BEGIN && !((struct layer*)layer)->has_begun) abort();
  free(layer);
}

static int32_t open_device(void* layer, const struct ashlar_open* how, struct ashlar_device* out,
                           struct ashlar_error* error) {
  (void)how;
  (void)error;
  out->self = layer;
  out->describe = describe;
  out->process = process;
  out->close = close_device;
  out->extension = device_extension;
  return 0;
}

static int32_t probe(const char* at, uint32_t flags, const struct ashlar_probe_sink* sink, struct ashlar_error* error) {
  (void)flags;
  (void)error;
  if (LIE == PROBE_CRASHES_FOR_NO_FILE && access(at, F_OK) != 0) abort();
  if (LIE == PROBE_STATUS_HUGE) return INT32_MAX;
  if (sink->kind(sink->self, "file") != 0 && LIE != PROBE_WHEN_NO_MORE_IS_WANTED) return 0;
  sink->row(sink->self, "reads", ASHLAR_PROBE_YES, "it does");
  return 0;
}
static const struct ashlar_probe probe_table = {sizeof probe_table, 0, probe};

static int32_t list(void* layer, const struct ashlar_exports_sink* sink, struct ashlar_error* error) {
  (void)layer;
  (void)error;
  if (LIE == LIST_STATUS_HUGE) return INT32_MAX;
  if (LIE == EXPORTS_WITH_A_SLASH) sink->add(sink->self, "a/b", NULL);
  if (LIE == EXPORTS_WITH_A_DOT) sink->add(sink->self, ".hidden", NULL);
  if (sink->add(sink->self, "one", NULL) != 0 && LIE != EXPORTS_WHEN_NO_MORE_IS_WANTED) return 0;
  sink->add(sink->self, "two", NULL);
  return 0;
}
static const struct ashlar_exports exports_table = {sizeof exports_table, 0, list};

#define IS_PROBE (LIE >= PROBE_WHEN_NO_MORE_IS_WANTED && LIE <= PROBE_CRASHES_FOR_NO_FILE)
#define IS_EXPORTS (LIE >= EXPORTS_WHEN_NO_MORE_IS_WANTED && LIE <= LIST_STATUS_HUGE)

static const void* extension(const char* id) {
  if (LIE == EXTENSION_OF_ANOTHER_REVISION && begins_with(id, "ashlar.probe/")) return &probe_table;
  if (LIE == NEEDS_TO_BEGIN && strcmp(id, ASHLAR_SERVING_ID) == 0) return &serving_table;
  if (IS_PROBE && strcmp(id, ASHLAR_PROBE_ID) == 0) return &probe_table;
  return IS_EXPORTS && strcmp(id, ASHLAR_EXPORTS_ID) == 0 ? &exports_table : NULL;
}

#define ROW .struct_size = sizeof(struct ashlar_param)
static const char* const choices[] = {"small", "large", NULL};
static const struct ashlar_param row_path = {ROW, .type = ASHLAR_PARAM_PATH, .name = "path", .help = "of a file"};
static const struct ashlar_param row_secret = {ROW, .type = ASHLAR_PARAM_SECRET, .name = "secret", .help = "hidden"};
static const struct ashlar_param row_number = {
    ROW, .type = ASHLAR_PARAM_INT, .name = "number", .help = "a number", .default_text = "5", .maximum = 1000};
static const struct ashlar_param row_choice = {ROW,           .type = ASHLAR_PARAM_CHOICE, .name = "choice",
                                               .help = "one", .default_text = "small",     .choices = choices};
static const struct ashlar_param* const rows[] = {&row_path, &row_secret, &row_number, &row_choice};

static struct ashlar_module module = {.struct_size = sizeof(struct ashlar_module),
                                      .abi_major = ASHLAR_ABI_MAJOR,
                                      .needs_minor = 0,
                                      .kind = ASHLAR_PLUGIN,
                                      .name = LIE_NAME,
                                      .version = "1.0",
                                      .summary = "a liar",
                                      .threads = ASHLAR_SERIAL,
                                      .n_params = 4,
                                      .params = rows,
                                      .create = create,
                                      .destroy = destroy,
                                      .open = open_device,
                                      .extension = extension};

__attribute__((visibility("default"))) const struct ashlar_module* ashlar_entry(uint32_t host_major);
const struct ashlar_module* ashlar_entry(uint32_t host_major) {
  return host_major == ASHLAR_ABI_MAJOR || (LIE == SERVES_MAJOR_0 && host_major == 0) ? &module : NULL;
}
