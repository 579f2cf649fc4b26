// model/logit_hash.h -- the reproducibility receipt of a choice: one hash over its logit rows.
//
// XXH3-128 over the raw float32 logit rows (before bias, penalties and temperature) from which each
// generated token was chosen, in order; written as 32 lower-case hex digits, high half first.
#pragma once

#include <memory>
#include <span>
#include <string>

namespace quire {

class LogitHash {
 public:
  LogitHash();
  ~LogitHash();
  LogitHash(LogitHash&&) noexcept;
  LogitHash& operator=(LogitHash&&) noexcept;

  void Add(std::span<const float> logits);
  std::string Hex() const;  // of what was added so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quire
