// apps/bench/bench_result.h -- what `quire bench` found, and how people and programs are told.
//
// Every round measures the machine's peaks and then every case once, so that a rate and its ceiling
// are seconds apart; a share is the median over rounds of one by the other.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "apps/bench/bench_case.h"
#include "apps/bench/machine_peaks.h"
#include "model/pass_times.h"

namespace quire {

struct CaseResult {
  BenchCase bench;
  PassCost cost;
  Samples seconds;               // [round]
  std::vector<PassTimes> times;  // [round]
};

// Where and with what the figures were taken.
struct BenchSetting {
  std::string version;
  std::string compiler;
  std::string isa;       // of the kernels
  std::string peak_isa;  // of the peaks
  std::string numerics;
  std::string cpu;
  std::string system;
  std::string model_file;
  std::string model_name;
  std::string architecture;
  std::string digest;
  std::string kv_format;
  uint32_t threads = 0;
  bool pinned = false;  // each thread to a core
  uint32_t chunk_tokens = 0;
};

struct BenchMemory {
  uint64_t file_bytes = 0;
  uint64_t weight_bytes = 0;
  uint64_t kv_bytes = 0;
  uint64_t buffer_bytes = 0;
  uint64_t peak_resident_bytes = 0;  // of this process, without what measures the peaks
};

struct BenchResult {
  BenchSetting setting;
  BenchMemory memory;
  std::vector<MachinePeaks> peaks;  // [round]
  std::vector<CaseResult> cases;
  double other_cores = 0;  // that other processes kept busy meanwhile
};

// Medians over rounds; a share is of 1, and 0 where the ceiling is unknown.
struct CaseFigures {
  double tokens_per_second;
  Samples samples;     // tokens per second
  double dot_share;    // the matrices at their peak (dots; FMAs for float weights) by the time
  double read_share;   // weights and KV at the read bandwidth by the time
  double limit_share;  // whichever of arithmetic and reading takes longer at its peak, by the time
  double attention_part;        // of the arithmetic's time at its peaks
  double attention_peak_share;  // attention's arithmetic at its peaks by the time it took
  double outside_kernels;       // of the workers' time: waiting, and what the caller does alone
  double barriers;              // of one pass
  std::array<double, kPassPhases> phases;  // of the workers' time, by PassPhase
};
CaseFigures FiguresOf(const BenchResult& result, const CaseResult& one);

std::string BenchTable(const BenchResult& result);
std::string BenchJson(const BenchResult& result);

}  // namespace quire
