#include "base/threads.h"

#include <fmt/format.h>

#include <latch>
#include <system_error>
#include <thread>
#include <vector>

namespace quire {

Status CheckThreads(uint32_t count) {
  std::latch done(1);
  std::vector<std::thread> threads;
  threads.reserve(count);
  Status status;
  try {
    for (uint32_t i = 0; i < count; ++i) threads.emplace_back([&done] { done.wait(); });
  } catch (const std::system_error& failure) {
    status = Refuse(ErrorCode::kIo,
                    fmt::format("{} threads are needed, and the system lets this process start {} "
                                "({}); raise the limit on processes (ulimit -u, or pids.max of the "
                                "container), or ask for fewer --threads",
                                count, threads.size(), failure.code().message()));
  }
  done.count_down();
  for (std::thread& thread : threads) thread.join();
  return status;
}

}  // namespace quire
