// model/packer.h -- turns the tensors of a file into what the kernels read.
//
// Threads  uses all workers of the pool; the caller waits.
// Memory   reads each tensor once and lets the system drop its pages, a few MiB behind.
#pragma once

#include <cstdint>
#include <functional>

#include "base/worker_pool.h"
#include "gguf/gguf_file.h"
#include "model/weight_plan.h"

namespace quire {

// Repacks every matrix of `plan` into `data` and points nobody there yet. `progress` gets the bytes
// of the file that are done.
void PackMatrices(const GgufFile& file, const WeightPlan& plan, std::byte* data, WorkerPool& pool,
                  const std::function<void(uint64_t done_bytes)>& progress);

// Decodes every vector of `plan` into `data` and points its owner there.
void DecodeVectors(const GgufFile& file, const WeightPlan& plan, std::byte* data);

// Points every matrix of `plan` at its place in `data`.
void PointMatrices(const WeightPlan& plan, const std::byte* data);

}  // namespace quire
