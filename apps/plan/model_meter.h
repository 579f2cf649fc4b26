// apps/plan/model_meter.h -- measures what a plan needs of this machine: its peaks, and the times
// of steps of models of one shape.
//
// A stand-in (stand_in.h) is run by the forward pass that serves, for some numbers of rows and
// depths, each case once a round beside the peaks; medians over rounds.
//
// Threads  one caller; it and the workers of `pool` compute.
// Errors   kInvalidArgument if it does not fit into the memory that is free, with the arithmetic;
//          kIo if the system refuses memory.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/worker_pool.h"
#include "plan/capacity/machine_profile.h"
#include "plan/capacity/model_shape.h"

namespace quire {

struct MeterReport {
  PeakRates peaks = {};  // but that of the disk
  ModelTimes times = {};
};

// Both are reached: rounds of a large model take longer. The model is made and loaded before that.
struct MeterEffort {
  double seconds = 12;
  int least_rounds = 3;
};

// `progress` is told the share that is done, of 1.
Result<MeterReport> MeasureModel(const ModelShape& shape, WorkerPool& pool,
                                 const MeterEffort& effort,
                                 const std::function<void(double share)>& progress);

// "2026-01-02T15:04:05Z"
std::string TimeNow();

}  // namespace quire
