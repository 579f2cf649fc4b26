// plan/capacity/machine_profile.h -- what was measured on a machine: its peaks, and how long the
// steps of models of some shapes take beside them.
//
// One file for a machine and a number of threads. What it says of another processor, instruction
// set or build is not believed: it is measured again.
//
//   {"format": 1, "machine": {"cpu", "isa", "threads", "build"}, "measured":
//   "2026-01-02T15:04:05Z",
//    "peaks": {"dot_ops", "fma_ops", "read_bytes", "disk_read_bytes"},
//    "models": {KEY: {"name", "measured", "stand_in_layers", "decode": [[rows, layers, output],
//    ...],
//                     "chunk": [[rows, seconds], ...],
//                     "attention": {FORMAT: [decode, chunk]}}}}
//
// Rates are a second, times in seconds.
//
// Threads  none.
// Errors   a file that is not there is kNotFound, one that is not as above kCorrupt; both mean: to
//          be measured. Save: kIo.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/kv_view.h"

namespace quire {

struct MachineName {
  std::string cpu = {};
  std::string isa = {};
  uint32_t threads = 0;
  std::string build = {};  // version and numerics: another one has other kernels
  bool operator==(const MachineName&) const = default;
};

// At most, a second; 0: not known.
struct PeakRates {
  double dot_ops = 0;          // byte products and their additions, all threads together
  double fma_ops = 0;          // float32
  double read_bytes = 0;       // from memory
  double disk_read_bytes = 0;  // from the folder of KV, past the system's cache
};

// A step of `rows` rows at the beginning of a text, without what attention costs further on.
struct StepPoint {
  uint32_t rows = 0;
  double layers = 0;  // seconds
  double output = 0;  // of the last matrix, for every row
};

// Seconds of one row and one attended position in one layer.
struct AttentionTimes {
  double decode = 0;  // a row that is alone in its sequence
  double chunk = 0;   // one of many
};

// How long steps of a model take here: all layers, measured on some of them.
struct ModelTimes {
  std::string name = {};
  std::string measured = {};           // "2026-01-02T15:04:05Z"
  uint32_t stand_in_layers = 0;        // that were measured
  std::vector<StepPoint> decode = {};  // by rows, ascending; each of a sequence of its own
  std::vector<StepPoint> chunk = {};   // likewise; of one sequence, whose last row has an output
  std::map<KvFormat, AttentionTimes> attention = {};
};

struct MachineProfile {
  MachineName machine = {};
  std::string measured = {};
  PeakRates peaks = {};
  std::map<std::string, ModelTimes> models = {};  // by ModelShape::Key()

  static Result<MachineProfile> Parse(std::string_view json);
  std::string Json() const;

  static Result<MachineProfile> Load(const std::string& path);
  Status Save(const std::string& path) const;  // replaces what is there, wholly or not at all
};

// "plan-HOST-2.json" in `data_folder`.
std::string ProfilePath(const std::string& data_folder, const MachineName& machine);

}  // namespace quire
