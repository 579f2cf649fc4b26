#include "model/content_check.h"

#include <pthread.h>
#include <sched.h>

#include <utility>

#include "base/spare_memory.h"
#include "base/worker_pool.h"
#include "model/digest.h"

namespace quire {
namespace {

// Only what is left over; if the system refuses, we merely compete.
void TakeIdleTimeOnly() {
  const sched_param parameters{};
  pthread_setschedparam(pthread_self(), SCHED_IDLE, &parameters);
}

}  // namespace

ContentCheck::ContentCheck(std::shared_ptr<const GgufFile> file, const ContentDigest& remembered,
                           std::function<void()> changed, std::chrono::milliseconds patience)
    : thread_([this, file = std::move(file), remembered, changed = std::move(changed), patience] {
        if (patience.count() > 0 && given_up_.try_acquire_for(patience)) return;
        TakeIdleTimeOnly();
        const SparePermit permit(SpareUse::kAll);
        WorkerPool alone(1);
        const ContentDigest found = DigestContent(*file, alone, &stop_);
        if (!stop_.load() && found != remembered) changed();
      }) {}

ContentCheck::~ContentCheck() {
  stop_.store(true);
  given_up_.release();
  thread_.join();
}

}  // namespace quire
