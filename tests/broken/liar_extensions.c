/* As liar.c: a plugin of 1 MiB of zeroes that is right in all but one thing, LIE: those in what the host does for
 * modules, and modules for the host, by extensions; and some in what it is handed to read. */
#include <ashlar/abi.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum lie {
  EXPORTS_MORE,
  MODULE_EXTENSION_FOR_ANYTHING,
  SHORT_ROW,
  HELP_OF_TWO_LINES,
  ROW_TWICE,
  STATUS_OF_OPEN_NEGATIVE,
  STATUS_OF_DESCRIBE_NEGATIVE,
  MOVES_THE_END_OF_THE_ERROR,
  WRITES_TO_CREATE,
  WRITES_TO_CLIENT,
  WRITES_TO_ITS_PARAMETERS,
  WRITES_TO_THE_EXPORTS_NAME,
  ONE_HOST_FOR_ALL_LAYERS,
  ONE_METRIC_FOR_ALL_LAYERS,
  NEEDS_A_CLIENT,
  LOGS_TWO_LINES,
  LOGS_AT_AN_UNKNOWN_LEVEL,
  /* waiting */
  LEAVES_A_TICKET,
  DONE_TWICE,
  ON_CANCEL_TWICE,
  LOCKS_OVER_A_WAIT,
  LOCKS_OVER_A_SLEEP,
  /* metrics and verbs */
  METRIC_BADLY_NAMED,
  METRIC_OF_TWO_KINDS,
  COUNTER_THAT_FALLS,
  GAUGE_THAT_OBSERVES,
  VERB_BADLY_NAMED,
  VERB_TOO_LATE,
  /* tables of its own */
  RESERVED_IN_REPLIED,
  REPLIED_WITHOUT_A_FUNCTION,
  RESERVED_IN_PROBE,
  PROBE_LEAVES_A_FILE,
  PROBE_CHANGES_THE_FILE,
  PROBE_TELLS_ITS_KIND_TWICE,
  PROBE_SAYS_MAYBE,
  RESERVED_IN_EXPORTS,
  EXPORTS_WITHOUT_A_NAME,
  EXPORTS_TWICE,
  RESERVED_IN_GROUP,
  GROUP_WITHOUT_A_NAME,
  GROUP_OF_TWO_LINES,
  RESERVED_IN_CONNECTS
};

#define IS_PROBE (LIE >= RESERVED_IN_PROBE && LIE <= PROBE_SAYS_MAYBE)
#define IS_EXPORTS (LIE >= RESERVED_IN_EXPORTS && LIE <= EXPORTS_TWICE)
#define IS_GROUP (LIE >= RESERVED_IN_GROUP && LIE <= GROUP_OF_TWO_LINES)
#define IS_REPLIED (LIE == RESERVED_IN_REPLIED || LIE == REPLIED_WITHOUT_A_FUNCTION)

static const struct ashlar_host* host;
static const struct ashlar_metrics* metrics_of_host;
static struct ashlar_metric* hits;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static const void* service(const char* id) { return host->extension(host->self, id); }

static int32_t describe(void* self, struct ashlar_geometry* out, struct ashlar_error* error) {
  (void)self;
  (void)error;
  if (LIE == STATUS_OF_DESCRIBE_NEGATIVE) return -EIO;
  out->minimum = 1;
  out->preferred = 4096;
  out->bytes = UINT64_C(1) << 20;
  out->ops = ASHLAR_OP_BIT(ASHLAR_OP_READ);
  out->traits = ASHLAR_READ_ONLY;
  return 0;
}

static void hook(void* argument) { (void)argument; }

static void wait_wrongly(void) {
  const struct ashlar_wait* wait = service(ASHLAR_WAIT_ID);
  if (LIE == LOCKS_OVER_A_SLEEP) {
    pthread_mutex_lock(&mutex);
    wait->sleep_until(wait->self, 1);
    pthread_mutex_unlock(&mutex);
    return;
  }
  struct ashlar_ticket* ticket = wait->begin(wait->self);
  wait->on_cancel(wait->self, ticket, hook, NULL);
  if (LIE == ON_CANCEL_TWICE) wait->on_cancel(wait->self, ticket, hook, NULL);
  wait->done(wait->self, ticket, 0);
  if (LIE == DONE_TWICE) wait->done(wait->self, ticket, 0);
  if (LIE == LEAVES_A_TICKET) return;
  if (LIE == LOCKS_OVER_A_WAIT) pthread_mutex_lock(&mutex);
  wait->wait(wait->self, ticket);
  if (LIE == LOCKS_OVER_A_WAIT) pthread_mutex_unlock(&mutex);
}

static int32_t answer_verb(void* argument, const struct ashlar_verb_call* call, struct ashlar_error* error) {
  (void)argument;
  (void)call;
  (void)error;
  return 0;
}

static void offer(const char* name) {
  static struct ashlar_verb verb;
  const struct ashlar_control* control = service(ASHLAR_CONTROL_ID);
  verb = (struct ashlar_verb){sizeof verb, ASHLAR_BELOW_NONE, name, "answers", answer_verb};
  control->offer(control->self, &verb, NULL);
}

static int32_t process(void* self, struct ashlar_io* io) {
  (void)self;
  if (io->op != ASHLAR_OP_READ) return ENOTSUP;
  if (LIE >= LEAVES_A_TICKET && LIE <= LOCKS_OVER_A_SLEEP) wait_wrongly();
  if (LIE == VERB_TOO_LATE) offer("late");
  if (LIE == ONE_HOST_FOR_ALL_LAYERS) host->log(host->self, ASHLAR_LOG_TRACE, "read", 4);
  if (LIE == ONE_METRIC_FOR_ALL_LAYERS) metrics_of_host->add(hits, 1);
  memset(io->data, 0, io->length);
  return 0;
}

static void close_device(void* self) { (void)self; }

static void replied(void* self, uint64_t id, int32_t status) {
  (void)self;
  (void)id;
  (void)status;
}
static const struct ashlar_replied replied_table = {sizeof replied_table, LIE == RESERVED_IN_REPLIED, NULL,
                                                    LIE == REPLIED_WITHOUT_A_FUNCTION ? NULL : replied};

static const void* device_extension(void* self, const char* id) {
  (void)self;
  return IS_REPLIED && strcmp(id, ASHLAR_REPLIED_ID) == 0 ? &replied_table : NULL;
}

static void count_wrongly(void) {
  const struct ashlar_metrics* metrics = service(ASHLAR_METRICS_ID);
  const double bound = 1;
  if (LIE == METRIC_BADLY_NAMED) metrics->make(metrics->self, ASHLAR_COUNTER, "Cache hits", "how many", NULL, 0);
  if (LIE == METRIC_OF_TWO_KINDS) {
    metrics->make(metrics->self, ASHLAR_COUNTER, "hits", "how many", NULL, 0);
    metrics->make(metrics->self, ASHLAR_HISTOGRAM, "hits", "how many", &bound, 1);
  }
  if (LIE == COUNTER_THAT_FALLS) metrics->add(metrics->make(metrics->self, ASHLAR_COUNTER, "hits", "", NULL, 0), -1);
  if (LIE == GAUGE_THAT_OBSERVES) metrics->observe(metrics->make(metrics->self, ASHLAR_GAUGE, "hits", "", NULL, 0), 1);
}

static void make_metric_once(void) {
  if (hits != NULL) return;
  metrics_of_host = service(ASHLAR_METRICS_ID);
  hits = metrics_of_host->make(metrics_of_host->self, ASHLAR_COUNTER, "hits", "how many", NULL, 0);
}

static int32_t create(const struct ashlar_create* how, struct ashlar_layer* out, struct ashlar_error* error) {
  static int layer;
  host = how->host;
  if (LIE == MOVES_THE_END_OF_THE_ERROR) {
    error->capacity = 1;
    return EINVAL;
  }
  if (LIE == WRITES_TO_CREATE) ((struct ashlar_create*)(uintptr_t)how)->struct_size = 0;
  if (LIE == WRITES_TO_ITS_PARAMETERS) ((struct ashlar_value*)(uintptr_t)how->values[0])->number = 1;
  if (LIE == ONE_METRIC_FOR_ALL_LAYERS) make_metric_once();
  if (LIE == LOGS_TWO_LINES) host->log(host->self, ASHLAR_LOG_INFO, "one\ntwo", 7);
  if (LIE == LOGS_AT_AN_UNKNOWN_LEVEL) host->log(host->self, 9, "loud", 4);
  if (LIE == VERB_BADLY_NAMED) offer("Drop it");
  count_wrongly();
  out->self = &layer;
  return 0;
}

static void destroy(void* layer) { (void)layer; }

static int32_t open_device(void* layer, const struct ashlar_open* how, struct ashlar_device* out,
                           struct ashlar_error* error) {
  (void)error;
  if (LIE == STATUS_OF_OPEN_NEGATIVE) return -EIO;
  if (LIE == NEEDS_A_CLIENT && how->client->number == 0) return EINVAL;
  if (LIE == WRITES_TO_CLIENT && how->client != NULL) ((struct ashlar_client*)(uintptr_t)how->client)->struct_size = 0;
  if (LIE == WRITES_TO_THE_EXPORTS_NAME) *(char*)(uintptr_t)how->export_name = 'E';
  out->self = layer;
  out->describe = describe;
  out->process = process;
  out->close = close_device;
  out->extension = device_extension;
  return 0;
}

static int32_t probe(const char* path, uint32_t flags, const struct ashlar_probe_sink* sink,
                     struct ashlar_error* error) {
  char beside[4096];
  (void)flags;
  (void)error;
  snprintf(beside, sizeof beside, "%s%s", path, LIE == PROBE_LEAVES_A_FILE ? ".scratch" : "");
  if (LIE == PROBE_LEAVES_A_FILE || LIE == PROBE_CHANGES_THE_FILE) {
    const int fd = open(beside, O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || write(fd, "scratch", 7) != 7 || close(fd) != 0) return EIO;
  }
  sink->kind(sink->self, "file");
  if (LIE == PROBE_TELLS_ITS_KIND_TWICE) sink->kind(sink->self, "file");
  sink->row(sink->self, "reads", LIE == PROBE_SAYS_MAYBE ? 7 : ASHLAR_PROBE_YES, "it does");
  return 0;
}
static const struct ashlar_probe probe_table = {sizeof probe_table, LIE == RESERVED_IN_PROBE, probe};

static int32_t list(void* layer, const struct ashlar_exports_sink* sink, struct ashlar_error* error) {
  (void)layer;
  (void)error;
  sink->add(sink->self, LIE == EXPORTS_WITHOUT_A_NAME ? "" : "one", NULL);
  if (LIE == EXPORTS_TWICE) sink->add(sink->self, "one", "again");
  return 0;
}
static const struct ashlar_exports exports_table = {sizeof exports_table, LIE == RESERVED_IN_EXPORTS, list};

static const struct ashlar_group group_table = {sizeof group_table, LIE == RESERVED_IN_GROUP,
                                                LIE == GROUP_WITHOUT_A_NAME ? NULL
                                                : LIE == GROUP_OF_TWO_LINES ? "two\nlines"
                                                                            : "liars"};
static const struct ashlar_connects connects_table = {sizeof connects_table, 1};

static const void* extension(const char* id) {
  if (IS_GROUP && strcmp(id, ASHLAR_GROUP_ID) == 0) return &group_table;
  if (LIE == RESERVED_IN_CONNECTS && strcmp(id, ASHLAR_CONNECTS_ID) == 0) return &connects_table;
  if (LIE == MODULE_EXTENSION_FOR_ANYTHING) return &probe_table;
  if (IS_PROBE && strcmp(id, ASHLAR_PROBE_ID) == 0) return &probe_table;
  return IS_EXPORTS && strcmp(id, ASHLAR_EXPORTS_ID) == 0 ? &exports_table : NULL;
}

static const struct ashlar_param row = {.struct_size = LIE == SHORT_ROW ? 8 : sizeof(struct ashlar_param),
                                        .type = ASHLAR_PARAM_STRING,
                                        .name = "label",
                                        .help = LIE == HELP_OF_TWO_LINES ? "of\nno effect" : "of no effect"};
static const struct ashlar_param* const rows[] = {&row, &row};

static const struct ashlar_module module = {.struct_size = sizeof(struct ashlar_module),
                                            .abi_major = ASHLAR_ABI_MAJOR,
                                            .needs_minor = 0,
                                            .kind = ASHLAR_PLUGIN,
                                            .name = LIE_NAME,
                                            .version = "1.0",
                                            .summary = "a liar",
                                            .threads = ASHLAR_PARALLEL,
                                            .n_params = LIE == ROW_TWICE ? 2 : 1,
                                            .params = rows,
                                            .create = create,
                                            .destroy = destroy,
                                            .open = open_device,
                                            .extension = extension};

#define VISIBLE __attribute__((visibility("default")))
#ifdef EXPORTS_MORE_THAN_ITS_ENTRY
VISIBLE int ashlar_another_symbol;
#endif
VISIBLE const struct ashlar_module* ashlar_entry(uint32_t host_major);
const struct ashlar_module* ashlar_entry(uint32_t host_major) {
  return host_major == ASHLAR_ABI_MAJOR ? &module : NULL;
}
