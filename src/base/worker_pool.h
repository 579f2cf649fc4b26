// base/worker_pool.h -- a team of threads that run one function together, with barriers.
//
// The forward pass is written once, as the code of one worker: every worker runs the same
// function, takes its share of the rows or tiles, and meets the others at barriers. So a layer
// costs a few barriers instead of a fork and join per operation.
//
// Threads  Run() may be called by one thread at a time; that thread is worker 0. With count() == 1
//          nothing is started and barriers are free.
// Cores    with a core given for each worker, those that are started stay on theirs. Worker 0 is
//          whoever calls Run(): a thread that will go on doing so says PinCaller() once.
// Idle     waiting, between Run()s and at barriers, is spinning for at most 60 microseconds, then
//          sleeping (base/barrier.h): an idle pool uses no CPU.
// Floats   inside Run() every worker has denormals-are-zero and flush-to-zero set and the rounding
//          mode at its default; the caller's own mode is restored afterwards.
// Errors   none: `work` must not throw.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/barrier.h"

namespace quire {

class WorkerPool;

// One worker's view of a Run(): who it is, and how it meets the others.
class Worker {
 public:
  uint32_t index() const { return index_; }
  uint32_t count() const { return count_; }

  // Returns once every worker of this Run() has called it; what was written before is then visible
  // to all. Every worker must call it the same number of times.
  void Barrier() const;

  // This worker's share of [0, total), cut at multiples of `grain`: contiguous, disjoint over the
  // workers and complete. May be empty.
  struct Range {
    uint32_t begin;
    uint32_t end;
  };
  Range Share(uint32_t total, uint32_t grain = 1) const;

 private:
  friend class WorkerPool;
  Worker(WorkerPool* pool, uint32_t index, uint32_t count)
      : pool_(pool), index_(index), count_(count) {}
  WorkerPool* pool_;
  uint32_t index_;
  uint32_t count_;
};

class WorkerPool {
 public:
  // `num_workers` >= 1, the caller of Run() included. `cores` is empty, or has one per worker.
  // Throws std::system_error if the system lets no thread start.
  explicit WorkerPool(uint32_t num_workers, std::vector<uint32_t> cores = {});
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  uint32_t count() const { return count_; }

  // Keeps the calling thread on the core of worker 0, for good; nothing if no cores were given.
  void PinCaller() const;

  // Calls work(worker) once on every worker and returns when all have returned.
  template <typename Work>
  void Run(Work&& work) {
    RunErased(
        [](void* context, const Worker& worker) {
          (*static_cast<std::remove_reference_t<Work>*>(context))(worker);
        },
        const_cast<void*>(static_cast<const void*>(&work)));
  }

 private:
  friend class Worker;
  using Entry = void (*)(void* context, const Worker& worker);
  void RunErased(Entry entry, void* context);
  void ThreadMain(uint32_t index);
  void Stop();

  const uint32_t count_;
  const std::vector<uint32_t> cores_;  // [worker], or empty
  Entry entry_ = nullptr;
  void* context_ = nullptr;
  alignas(64) std::atomic<uint32_t> generation_{0};  // bumped by every Run(); odd bit unused
  Barrier barrier_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace quire
