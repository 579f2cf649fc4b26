// apps/flags/thread_flags.h -- the flags of the threads that compute, and the team they ask for.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/worker_pool.h"

namespace quire {

struct ThreadFlags {
  uint32_t threads = 0;  // 0: every core this process may use
  bool pin = false;      // each worker stays on a core of its own

  void AddTo(CLI::App& app);

  uint32_t count() const;  // of workers, that of the machine where none was given

  // Refuses to pin more workers than there are cores in the process's affinity mask.
  Result<std::unique_ptr<WorkerPool>> MakeTeam() const;
};

}  // namespace quire
