#include "model/logit_hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include "base/check.h"

namespace quire {

struct LogitHash::State {
  State() { QUIRE_CHECK(stream != nullptr && XXH3_128bits_reset(stream) == XXH_OK); }
  ~State() { XXH3_freeState(stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  XXH3_state_t* const stream = XXH3_createState();
};

LogitHash::LogitHash() : state_(std::make_unique<State>()) {}
LogitHash::~LogitHash() = default;
LogitHash::LogitHash(LogitHash&&) noexcept = default;
LogitHash& LogitHash::operator=(LogitHash&&) noexcept = default;

void LogitHash::Add(std::span<const float> logits) {
  QUIRE_CHECK(XXH3_128bits_update(state_->stream, logits.data(), logits.size_bytes()) == XXH_OK);
}

std::string LogitHash::Hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->stream);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace quire
