/* As liar.c: a plugin of 1 MiB of zeroes that is right in all but one thing, LIE: how it answers its verb. */
#include <ashlar/abi.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum lie {
  VERB_CRASHES,
  VERB_CRASHES_WITH_AN_ARGUMENT,
  VERB_HANGS,
  VERB_STATUS_NEGATIVE,
  VERB_STATUS_HUGE,
  VERB_ERROR_OF_TWO_LINES,
  VERB_ERROR_WITHOUT_END,
  VERB_ANSWERS_TOO_LATE,
  VERB_ANSWERS_TOO_LATE_BY_A_THREAD,
  VERB_ANSWERS_WITHOUT_END,
  VERB_ANSWERS_NULL,
  VERB_CHANGES_ITS_ARGUMENTS,
  VERB_WRITES_TO_ITS_CALL,
  VERB_WRITES_BEHIND_ITS_CALL,
  VERB_CHANGES_AFTER_THE_OFFER,
  VERB_HELP_OF_TWO_LINES,
  VERB_LEAVES_A_TICKET,
  VERB_LOCKS_OVER_A_WAIT,
  VERB_LEAKS_MEMORY,
  VERB_LEAKS_A_DESCRIPTOR,
  VERB_LEAKS_A_THREAD,
  VERB_WRITES_TO_STDOUT
};

static const struct ashlar_host* host;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct ashlar_verb verb;
/* Of an earlier call. */
static void (*kept_answer)(void* self, const char* text, size_t text_length) ASHLAR_NOEXCEPT;
static void* kept_self;
static char* volatile kept_memory;
static pthread_t thread;
static int has_thread;

static void* sleep_for_ever(void* argument) {
  (void)argument;
  for (;;) pause();
  return NULL;
}

static void* answer_later(void* argument) {
  (void)argument;
  usleep(1000);
  kept_answer(kept_self, "late", 4);
  return NULL;
}

static void join(void) {
  if (has_thread) pthread_join(thread, NULL);
  has_thread = 0;
}

static int32_t describe(void* self, struct ashlar_geometry* out, struct ashlar_error* error) {
  (void)self;
  (void)error;
  out->minimum = 1;
  out->preferred = 4096;
  out->bytes = UINT64_C(1) << 20;
  out->ops = ASHLAR_OP_BIT(ASHLAR_OP_READ);
  out->traits = ASHLAR_READ_ONLY;
  return 0;
}

static int32_t process(void* self, struct ashlar_io* io) {
  (void)self;
  if (io->op != ASHLAR_OP_READ) return ENOTSUP;
  memset(io->data, 0, io->length);
  return 0;
}

static void close_device(void* self) { (void)self; }

static void wait_wrongly(void) {
  const struct ashlar_wait* wait = host->extension(host->self, ASHLAR_WAIT_ID);
  if (LIE == VERB_LOCKS_OVER_A_WAIT) pthread_mutex_lock(&mutex);
  struct ashlar_ticket* ticket = wait->begin(wait->self);
  wait->done(wait->self, ticket, 0);
  if (LIE != VERB_LEAVES_A_TICKET) wait->wait(wait->self, ticket);
  if (LIE == VERB_LOCKS_OVER_A_WAIT) pthread_mutex_unlock(&mutex);
}

static void keep_answering(const struct ashlar_verb_call* call) {
  if (LIE == VERB_ANSWERS_TOO_LATE && kept_answer != NULL) kept_answer(kept_self, "late", 4);
  join();
  kept_answer = call->answer;
  kept_self = call->self;
  if (LIE != VERB_ANSWERS_TOO_LATE_BY_A_THREAD) return;
  has_thread = pthread_create(&thread, NULL, answer_later, NULL) == 0;
}

static void leave_behind(void) {
  if (LIE == VERB_LEAKS_MEMORY) kept_memory = malloc(24);
  if (LIE == VERB_LEAKS_A_DESCRIPTOR && dup(0) < 0) abort();
  if (LIE == VERB_LEAKS_A_THREAD) pthread_create(&thread, NULL, sleep_for_ever, NULL);
}

static int32_t fail(struct ashlar_error* error) {
  if (LIE == VERB_STATUS_NEGATIVE) return -EIO;
  if (LIE == VERB_STATUS_HUGE) return INT32_MAX;
  if (LIE == VERB_ERROR_OF_TWO_LINES) return strcpy(error->text, "no luck\ntoday"), EINVAL;
  return memset(error->text, 'x', error->capacity), EINVAL;
}

static int32_t answer_verb(void* argument, const struct ashlar_verb_call* call, struct ashlar_error* error) {
  (void)argument;
  if (LIE == VERB_CRASHES || (LIE == VERB_CRASHES_WITH_AN_ARGUMENT && call->n_arguments != 0)) abort();
  if (LIE == VERB_HANGS) sleep_for_ever(NULL);
  if (LIE >= VERB_STATUS_NEGATIVE && LIE <= VERB_ERROR_WITHOUT_END) return fail(error);
  if (LIE == VERB_ANSWERS_TOO_LATE || LIE == VERB_ANSWERS_TOO_LATE_BY_A_THREAD) keep_answering(call);
  if (LIE == VERB_ANSWERS_WITHOUT_END)
    for (int i = 0; i < 5000; ++i) call->answer(call->self, "much", 4096);
  if (LIE == VERB_ANSWERS_NULL) call->answer(call->self, NULL, 4);
  if (LIE == VERB_CHANGES_ITS_ARGUMENTS && call->n_arguments != 0) *(char*)(uintptr_t)call->arguments[0] = 'X';
  if (LIE == VERB_WRITES_TO_ITS_CALL) ((struct ashlar_verb_call*)(uintptr_t)call)->struct_size = 0;
  if (LIE == VERB_WRITES_BEHIND_ITS_CALL) memset((char*)(uintptr_t)call + sizeof *call, 0, 8);
  if (LIE == VERB_CHANGES_AFTER_THE_OFFER) verb.help = "answers otherwise";
  if (LIE == VERB_LEAVES_A_TICKET || LIE == VERB_LOCKS_OVER_A_WAIT) wait_wrongly();
  if (LIE == VERB_WRITES_TO_STDOUT && write(1, "verb\n", 5) != 5) abort();
  leave_behind();
  return 0;
}

static int32_t create(const struct ashlar_create* how, struct ashlar_layer* out, struct ashlar_error* error) {
  static int layer;
  (void)error;
  host = how->host;
  const struct ashlar_control* control = host->extension(host->self, ASHLAR_CONTROL_ID);
  const char* help = LIE == VERB_HELP_OF_TWO_LINES ? "answers\nonce" : "answers";
  verb = (struct ashlar_verb){sizeof verb, ASHLAR_BELOW_NONE, "answer", help, answer_verb};
  control->offer(control->self, &verb, NULL);
  out->self = &layer;
  return 0;
}

static void destroy(void* layer) {
  (void)layer;
  join();
  kept_answer = NULL;
}

static int32_t open_device(void* layer, const struct ashlar_open* how, struct ashlar_device* out,
                           struct ashlar_error* error) {
  (void)how;
  (void)error;
  out->self = layer;
  out->describe = describe;
  out->process = process;
  out->close = close_device;
  return 0;
}

static const struct ashlar_module module = {.struct_size = sizeof(struct ashlar_module),
                                            .abi_major = ASHLAR_ABI_MAJOR,
                                            .needs_minor = 0,
                                            .kind = ASHLAR_PLUGIN,
                                            .name = LIE_NAME,
                                            .version = "1.0",
                                            .summary = "a liar",
                                            .threads = ASHLAR_SERIAL,
                                            .create = create,
                                            .destroy = destroy,
                                            .open = open_device};

__attribute__((visibility("default"))) const struct ashlar_module* ashlar_entry(uint32_t host_major);
const struct ashlar_module* ashlar_entry(uint32_t host_major) {
  return host_major == ASHLAR_ABI_MAJOR ? &module : NULL;
}
