// server/metrics/exemplars.h -- for histograms: a request whose value is in each bucket.
//
// Whoever sees a slow bucket in a graph finds in it the id of a request to look up in the ledger.
//
// Threads  any.
// Bounds   kSlots requests for each of kFamilies.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "engine/event.h"

namespace quire {

struct Exemplar {
  std::string request_id;
  double value = 0;
  double at_seconds = 0;  // since 1970
};

class Exemplars {
 public:
  // What a request that is over adds to the histograms of the engine. `now`: seconds since 1970.
  void Note(const Receipt& receipt, uint64_t block_bytes, std::string_view request_id, double now);

  // The newest one of this family with a value in (above, up_to].
  std::optional<Exemplar> Find(std::string_view family, double above, double up_to) const;

 private:
  static constexpr std::array<std::string_view, 4> kFamilies = {
      "quire_request_queue_seconds", "quire_time_to_first_token_seconds",
      "quire_time_per_output_token_seconds", "quire_kv_bytes_per_request"};
  static constexpr size_t kSlots = 128;  // by power of two

  mutable std::mutex mutex_;
  std::array<std::array<Exemplar, kSlots>, kFamilies.size()> slots_;
};

}  // namespace quire
