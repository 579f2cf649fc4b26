// apps/start_report.h -- where the time of a start went, and where the weights came from, for
// people.
#pragma once

#include <cstdint>
#include <string>

#include "model/model.h"

namespace quire {

// Seconds of each part, one after another.
struct StartTimes {
  double file = 0;           // opening it, its metadata
  double tokenizer = 0;      // vocabulary and merges
  double chat_template = 0;  // parsing it
  double weights = 0;        // model/model.h, LoadReport
  double engine = 0;         // KV arena, buffers
  double sum() const { return file + tokenizer + chat_template + weights + engine; }
};

// "0.42 s: file 0.01, tokenizer 0.10, template 0.00, weights 0.11 (mapped), engine 0.20"
std::string DescribeStart(const StartTimes& times, const LoadReport& load);

// "1.03 GiB mapped from PATH; its folder holds 2 files, 1.4 GiB of at most 32 GiB", or why not.
std::string DescribeWeights(const Model& model, const std::string& folder, uint64_t limit_bytes);

}  // namespace quire
