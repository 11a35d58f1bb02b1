/* What plugin_c and filter_c have in common: parameters of each type, the host's services, a thread, and devices that
 * know their client. */
#ifndef LAYER_C_H
#define LAYER_C_H

#include <ashlar/abi.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Answers tickets, one at a time. */
struct thread {
  pthread_t id;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  struct ashlar_ticket* ticket;
  int runs, ends;
};

struct layer {
  const struct ashlar_host* host;
  const struct ashlar_wait* wait;
  const struct ashlar_metrics* metrics;
  struct ashlar_metric *requests, *devices, *lengths, *replies;
  int rotational, ends; /* `ends`: a bad place ends the connection */
  uint32_t depth;
  const struct ashlar_value* bad; /* LIST of SIZE: reads of these bytes fail */
  struct thread thread;
};

struct device {
  struct layer* layer;
  int read_only;
  const struct ashlar_device* next;
  struct ashlar_geometry below;
  const struct ashlar_disconnect* disconnect;
  const struct ashlar_reopen* reopen;
  struct ashlar_replied replied;
};

/* ---- parameters: behind the module's own first one ---- */

static const char* const speeds[] = {"slow", "quick", NULL};
static const struct ashlar_param label_param = {
    sizeof label_param, ASHLAR_PARAM_STRING, "label", "what the log calls it", "old", 0, 0, 0, 0, NULL};
static const struct ashlar_param notes_param = {
    sizeof notes_param, ASHLAR_PARAM_PATH, "notes", "a file that is named in the log", NULL, 0, 0, 0, 0, NULL};
static const struct ashlar_param rotational_param = {
    sizeof rotational_param, ASHLAR_PARAM_BOOL, "rotational", "turns", "false", 0, 0, 0, 0, NULL};
static const struct ashlar_param depth_param = {
    sizeof depth_param, ASHLAR_PARAM_INT, "depth", "requests at once", "8", 0, 0, 0, 64, NULL};
static const struct ashlar_param speed_param = {
    sizeof speed_param, ASHLAR_PARAM_CHOICE, "speed", "how fast", "quick", 0, 0, 0, 0, speeds};
static const struct ashlar_param bad_param = {
    sizeof bad_param, ASHLAR_PARAM_LIST, "bad", "where reads fail", NULL, 0, ASHLAR_PARAM_SIZE, 0, INT64_MAX, NULL};
static const struct ashlar_param key_param = {
    sizeof key_param, ASHLAR_PARAM_SECRET, "key", "opens it", NULL, 0, 0, 0, 0, NULL};
static const struct ashlar_param ends_param = {
    sizeof ends_param, ASHLAR_PARAM_BOOL, "ends", "a bad place ends the connection", "false", 0, 0, 0, 0, NULL};
#define COMMON_PARAMS \
  &label_param, &notes_param, &rotational_param, &depth_param, &speed_param, &bad_param, &key_param, &ends_param
enum { LABEL = 1, NOTES, ROTATIONAL, DEPTH, SPEED, BAD, KEY, ENDS, OWN };

/* ---- the log ---- */

__attribute__((format(printf, 3, 4))) static void say(const struct ashlar_host* host, uint32_t level,
                                                      const char* format, ...) {
  char text[512];
  __builtin_va_list arguments;
  if (!host->log_enabled(host->self, level)) return;
  __builtin_va_start(arguments, format);
  const int length = vsnprintf(text, sizeof text, format, arguments);
  __builtin_va_end(arguments);
  if (length > 0) host->log(host->self, level, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

/* ---- waiting ---- */

static void* answer_tickets(void* argument) {
  struct layer* layer = argument;
  struct thread* thread = &layer->thread;
  pthread_mutex_lock(&thread->mutex);
  while (!thread->ends || thread->ticket != NULL) {
    if (thread->ticket != NULL) layer->wait->done(layer->wait->self, thread->ticket, 0);
    thread->ticket = NULL;
    pthread_cond_broadcast(&thread->changed);
    if (!thread->ends) pthread_cond_wait(&thread->changed, &thread->mutex);
  }
  pthread_mutex_unlock(&thread->mutex);
  return NULL;
}

static void no_hurry(void* argument) { (void)argument; }

/* Waits until the layer's thread has said so. */
static int32_t wait_for_thread(struct layer* layer) {
  struct thread* thread = &layer->thread;
  struct ashlar_ticket* ticket = layer->wait->begin(layer->wait->self);
  if (ticket == NULL) return ENOMEM;
  layer->wait->on_cancel(layer->wait->self, ticket, no_hurry, layer);
  pthread_mutex_lock(&thread->mutex);
  while (thread->ticket != NULL) pthread_cond_wait(&thread->changed, &thread->mutex);
  thread->ticket = ticket;
  pthread_cond_broadcast(&thread->changed);
  pthread_mutex_unlock(&thread->mutex);
  return (int32_t)layer->wait->wait(layer->wait->self, ticket);
}

static int32_t sleep_a_little(struct layer* layer) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  layer->wait->sleep_until(layer->wait->self, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + 1000);
  return layer->wait->cancelled(layer->wait->self) ? ECANCELED : 0;
}

/* ---- requests ---- */

static void count(struct layer* layer, const struct ashlar_io* io) {
  layer->metrics->add(layer->requests, 1);
  layer->metrics->observe(layer->lengths, (double)io->length);
}

static int32_t fail_bad(struct device* device) {
  if (device->layer->ends && device->disconnect != NULL) device->disconnect->disconnect(device->disconnect->self);
  return EIO;
}

/* ---- devices ---- */

static void replied(void* self, uint64_t id, int32_t status) {
  struct device* device = self;
  device->layer->metrics->add(device->layer->replies, 1);
  say(device->layer->host, ASHLAR_LOG_DEBUG, "replied to %llu: %d", (unsigned long long)id, (int)status);
}

static const void* device_extension(void* self, const char* id) {
  struct device* device = self;
  return strcmp(id, ASHLAR_REPLIED_ID) == 0 ? &device->replied : NULL;
}

static const char* or_dash(const char* text) { return text != NULL ? text : "-"; }

static void greet(const struct device* device, const struct ashlar_open* how) {
  const struct ashlar_client* client = how->client;
  if (client == NULL) return;
  say(device->layer->host, ASHLAR_LOG_INFO,
      "client %llu on %s at %s uid %lld gid %lld pid %lld tls %s psk %s asks for %s, has %s",
      (unsigned long long)client->number, client->transport == ASHLAR_TRANSPORT_TCP ? "tcp" : "unix",
      or_dash(client->address), (long long)client->uid, (long long)client->gid, (long long)client->pid,
      or_dash(client->tls_name), or_dash(client->psk_identity), client->export_name, how->export_name);
}

static struct device* make_device(struct layer* layer, const struct ashlar_open* how, struct ashlar_error* error) {
  struct device* device = calloc(1, sizeof *device);
  if (device == NULL) {
    snprintf(error->text, error->capacity, "out of memory");
    return NULL;
  }
  device->layer = layer;
  device->read_only = how->read_only != 0;
  device->next = how->next;
  if (how->below != NULL) device->below = *how->below; /* what this revision knows of it */
  device->disconnect = how->extension(how->self, ASHLAR_DISCONNECT_ID);
  device->replied = (struct ashlar_replied){sizeof(struct ashlar_replied), 0, device, replied};
  greet(device, how);
  layer->metrics->add(layer->devices, 1);
  return device;
}

static void close_device(void* self) {
  struct device* device = self;
  device->layer->metrics->add(device->layer->devices, -1);
  free(device);
}

/* ---- the layer ---- */

static int32_t check_bad(const struct ashlar_value* bad, uint64_t bytes, struct ashlar_error* error) {
  for (int64_t i = 0; i < bad->number; ++i)
    if ((uint64_t)bad->items[i]->number >= bytes) {
      error->parameter = BAD;
      snprintf(error->text, error->capacity, "%lld is past the end", (long long)bad->items[i]->number);
      return ERANGE;
    }
  return 0;
}

static void make_metrics(struct layer* layer) {
  static const double bounds[] = {4096, 65536};
  const struct ashlar_metrics* metrics = layer->metrics;
  layer->requests = metrics->make(metrics->self, ASHLAR_COUNTER, "requests", "that came", NULL, 0);
  layer->devices = metrics->make(metrics->self, ASHLAR_GAUGE, "devices", "that are open", NULL, 0);
  layer->lengths = metrics->make(metrics->self, ASHLAR_HISTOGRAM, "length_bytes", "of the requests", bounds, 2);
  layer->replies = metrics->make(metrics->self, ASHLAR_COUNTER, "replies", "that left", NULL, 0);
  metrics->set(layer->devices, 0);
}

/* `bytes`: where the disk ends. */
static int32_t begin_layer(struct layer* layer, const struct ashlar_create* how, uint64_t bytes,
                           struct ashlar_error* error) {
  const struct ashlar_host* host = how->host;
  const struct ashlar_value* const* values = how->values;
  const int32_t status = check_bad(values[BAD], bytes, error);
  if (status != 0) return status;
  layer->host = host;
  layer->wait = host->extension(host->self, ASHLAR_WAIT_ID);
  layer->metrics = host->extension(host->self, ASHLAR_METRICS_ID);
  layer->rotational = values[ROTATIONAL]->number != 0;
  layer->depth = (uint32_t)values[DEPTH]->number;
  layer->bad = values[BAD];
  layer->ends = values[ENDS]->number != 0;
  make_metrics(layer);
  say(host, ASHLAR_LOG_INFO, "layer %u of %s", (unsigned)how->place, how->export_name);
  say(host, ASHLAR_LOG_INFO, "label %s notes %s speed %d %s key of %zu bytes, host %u, %s", values[LABEL]->text,
      values[NOTES]->set ? values[NOTES]->text : "-", (int)values[SPEED]->number, values[SPEED]->text,
      values[KEY]->set ? strlen(values[KEY]->text) : 0, host->minor,
      host->extension(host->self, "ashlar.no-such-thing/1") == NULL ? "as expected" : "odd");
  pthread_mutex_init(&layer->thread.mutex, NULL);
  pthread_cond_init(&layer->thread.changed, NULL);
  layer->thread.runs = pthread_create(&layer->thread.id, NULL, answer_tickets, layer) == 0;
  return layer->thread.runs ? 0 : EAGAIN;
}

static int32_t offer_verb(struct layer* layer, const struct ashlar_verb* verb, void* argument) {
  const struct ashlar_control* control = layer->host->extension(layer->host->self, ASHLAR_CONTROL_ID);
  const int32_t status = control->offer(control->self, verb, argument);
  return status != 0 ? status : control->offer(control->self, verb, argument) == EEXIST ? 0 : EIO;
}

/* Of one that was not begun: nothing. */
static void end_layer(struct layer* layer) {
  if (!layer->thread.runs) return;
  pthread_mutex_lock(&layer->thread.mutex);
  layer->thread.ends = 1;
  pthread_cond_broadcast(&layer->thread.changed);
  pthread_mutex_unlock(&layer->thread.mutex);
  pthread_join(layer->thread.id, NULL);
  pthread_cond_destroy(&layer->thread.changed);
  pthread_mutex_destroy(&layer->thread.mutex);
}

#endif
