#include "apps/flags/thread_flags.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "apps/flags/flag_values.h"
#include "base/cores.h"
#include "base/machine.h"

namespace quire {

void ThreadFlags::AddTo(CLI::App& app) {
  Whole(app.add_option("--threads", threads,
                       "worker threads (default 0: every core this process may use)"),
        0, 1024)
      ->capture_default_str();
  app.add_flag(
      "--pin-threads", pin,
      "keep each worker on a core of its own, of those this process may use; for a machine "
      "that does nothing else");
}

uint32_t ThreadFlags::count() const { return threads == 0 ? UsableCores() : threads; }

Result<std::unique_ptr<WorkerPool>> ThreadFlags::MakeTeam() const {
  const uint32_t workers = count();
  if (!pin) return std::make_unique<WorkerPool>(workers);
  std::vector<uint32_t> cores = AllowedCores();
  if (workers > cores.size()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("--pin-threads needs a core for each of {} threads, and this process "
                              "may use {}; lower --threads or leave out --pin-threads",
                              workers, cores.size()),
                  "pin-threads");
  }
  cores.resize(workers);
  return std::make_unique<WorkerPool>(workers, std::move(cores));
}

}  // namespace quire
