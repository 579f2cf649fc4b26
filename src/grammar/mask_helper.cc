#include "grammar/mask_helper.h"

#include <exception>
#include <utility>

namespace quire {
namespace {

constexpr size_t kMaxWaiting = 64;  // a mask for each of the choices that run at once by default

}  // namespace

MaskHelper::MaskHelper() : thread_([this] { ThreadMain(); }) {}

MaskHelper::~MaskHelper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void MaskHelper::Submit(GrammarState state) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMaxWaiting) return;
    waiting_.push_back(std::move(state));
  }
  work_.notify_one();
}

void MaskHelper::ThreadMain() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const GrammarState state = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    try {
      state.Prepare();
    } catch (const std::exception&) {
      // There was no memory: whoever needs the mask will see for himself.
    }
    lock.lock();
  }
}

}  // namespace quire
