// Held: how many locks the calling thread holds. ashlar-check stands between modules and pthread_mutex_lock(3) and its
// kin, so this counts theirs, too. With a sanitizer, which stands there itself, nothing is counted.
#pragma once

namespace ashlar::check {

int locks_held() noexcept;

}  // namespace ashlar::check
