// apps/bench/bench_case.h -- one thing that `quire bench` measures, and what came out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace quire {

// Reading `tokens` tokens after `depth` others (clients == 0), or each of `clients` sequences,
// `depth` tokens long at the start, generating `tokens` tokens side by side.
struct BenchCase {
  uint32_t tokens = 0;
  uint32_t depth = 0;
  uint32_t clients = 0;
  uint32_t shared_prefix = 0;  // tokens that all clients have in common, stored once; whole blocks

  bool prefill() const { return clients == 0; }
  uint32_t sequences() const { return std::max(clients, 1u); }
  uint32_t end_position() const { return depth + tokens; }
  double total_tokens() const { return double{1} * tokens * sequences(); }
};

// The least that a machine has to do for a case.
struct PassCost {
  double dot_ops = 0;        // byte products and additions: matrices of integer weights
  double float_ops = 0;      // the same of matrices of float weights
  double attention_ops = 0;  // float32: weighted sums, and scores unless they are of bytes
  double score_dot_ops = 0;  // byte products and additions: scores of keys in 8 bits
  double weight_bytes = 0;   // read from memory
  double kv_bytes = 0;       // read from memory; what clients share counted once a step
};

// In the order measured; never empty once a bench has run.
using Samples = std::vector<double>;

inline double Median(Samples samples) {
  const size_t middle = samples.size() / 2;
  std::sort(samples.begin(), samples.end());
  return samples.size() % 2 == 1 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
}

}  // namespace quire
