#include "held.hpp"

#include <dlfcn.h>
#include <pthread.h>
#include <threads.h>
#include <time.h>

#include <cerrno>

namespace ashlar::check {
namespace {

thread_local int held = 0;

}  // namespace

int locks_held() noexcept { return held; }

}  // namespace ashlar::check

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {

// Calls the C library's and counts what came of it. Nothing here may take a lock or allocate. `real`: where its address
// is kept.
template <class... Arguments>
int call_and_count(int (*&real)(Arguments...), const char* name, int change, Arguments... arguments) noexcept {
  int (*call)(Arguments...) = __atomic_load_n(&real, __ATOMIC_RELAXED);
  if (call == nullptr) {
    call = reinterpret_cast<int (*)(Arguments...)>(::dlsym(RTLD_NEXT, name));
    __atomic_store_n(&real, call, __ATOMIC_RELAXED);
  }
  const int error = call(arguments...);
  if (error == 0 || error == EOWNERDEAD) ashlar::check::held += change;
  return error;
}

}  // namespace

#define VISIBLE extern "C" __attribute__((visibility("default")))
#define STAND_BEFORE(name, type, change)                \
  VISIBLE int name(type* lock) noexcept {               \
    static int (*real)(type*) = nullptr;                \
    return call_and_count(real, #name, (change), lock); \
  }
#define STAND_BEFORE_TIMED(name, type)                           \
  VISIBLE int name(type* lock, const timespec* until) noexcept { \
    static int (*real)(type*, const timespec*) = nullptr;        \
    return call_and_count(real, #name, 1, lock, until);          \
  }
#define STAND_BEFORE_CLOCK(name, type)                                            \
  VISIBLE int name(type* lock, clockid_t clock, const timespec* until) noexcept { \
    static int (*real)(type*, clockid_t, const timespec*) = nullptr;              \
    return call_and_count(real, #name, 1, lock, clock, until);                    \
  }

STAND_BEFORE(pthread_mutex_lock, pthread_mutex_t, 1)
STAND_BEFORE(pthread_mutex_trylock, pthread_mutex_t, 1)
STAND_BEFORE(pthread_mutex_unlock, pthread_mutex_t, -1)
STAND_BEFORE(pthread_spin_lock, pthread_spinlock_t, 1)
STAND_BEFORE(pthread_spin_trylock, pthread_spinlock_t, 1)
STAND_BEFORE(pthread_spin_unlock, pthread_spinlock_t, -1)
STAND_BEFORE(pthread_rwlock_rdlock, pthread_rwlock_t, 1)
STAND_BEFORE(pthread_rwlock_wrlock, pthread_rwlock_t, 1)
STAND_BEFORE(pthread_rwlock_tryrdlock, pthread_rwlock_t, 1)
STAND_BEFORE(pthread_rwlock_trywrlock, pthread_rwlock_t, 1)
STAND_BEFORE(pthread_rwlock_unlock, pthread_rwlock_t, -1)
STAND_BEFORE_TIMED(pthread_mutex_timedlock, pthread_mutex_t)
STAND_BEFORE_TIMED(pthread_rwlock_timedrdlock, pthread_rwlock_t)
STAND_BEFORE_TIMED(pthread_rwlock_timedwrlock, pthread_rwlock_t)
STAND_BEFORE_CLOCK(pthread_mutex_clocklock, pthread_mutex_t)
STAND_BEFORE_CLOCK(pthread_rwlock_clockrdlock, pthread_rwlock_t)
STAND_BEFORE_CLOCK(pthread_rwlock_clockwrlock, pthread_rwlock_t)
// Those of C11, which do not come by the ones above. thrd_success is 0.
STAND_BEFORE(mtx_lock, mtx_t, 1)
STAND_BEFORE(mtx_trylock, mtx_t, 1)
STAND_BEFORE(mtx_unlock, mtx_t, -1)
STAND_BEFORE_TIMED(mtx_timedlock, mtx_t)

#endif
