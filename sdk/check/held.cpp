#include "held.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>

namespace ashlar::check {
namespace {

thread_local int held = 0;

}  // namespace

int locks_held() noexcept { return held; }

}  // namespace ashlar::check

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

// Each calls the C library's and counts what came of it. Nothing here may take a lock or allocate.
#define STAND_BEFORE(name, type, change)                                            \
  extern "C" __attribute__((visibility("default"))) int name(type* lock) noexcept { \
    static int (*real)(type*) = nullptr;                                            \
    int (*call)(type*) = __atomic_load_n(&real, __ATOMIC_RELAXED);                  \
    if (call == nullptr) {                                                          \
      call = reinterpret_cast<int (*)(type*)>(::dlsym(RTLD_NEXT, #name));           \
      __atomic_store_n(&real, call, __ATOMIC_RELAXED);                              \
    }                                                                               \
    const int error = call(lock);                                                   \
    if (error == 0 || error == EOWNERDEAD) ashlar::check::held += (change);         \
    return error;                                                                   \
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

#endif
