#include "apps/start_report.h"

#include <fmt/format.h>

#include "base/size.h"
#include "model/repack/repack_folder.h"

namespace quire {
namespace {

const char* Verb(WeightSource source) {
  switch (source) {
    case WeightSource::kRepacked:
      return "repacked";
    case WeightSource::kMapped:
      return "mapped";
    case WeightSource::kCopied:
      return "copied";
  }
  return "";
}

// What the time for the weights consists of.
std::string DescribeLoad(const LoadReport& load) {
  std::string text = Verb(load.source);
  const auto add = [&text](const char* what, double seconds) {
    if (seconds >= 0.005) text += fmt::format(", {} {:.2f}", what, seconds);
  };
  add("digest", load.seconds.digest);
  add("repacking", load.seconds.repack);
  add("writing", load.seconds.write);
  add("checking", load.seconds.map);
  return text;
}

}  // namespace

std::string DescribeStart(const StartTimes& times, const LoadReport& load) {
  return fmt::format(
      "{:.2f} s: file {:.2f}, tokenizer {:.2f}, template {:.2f}, weights {:.2f} ({}), engine "
      "{:.2f}",
      times.sum(), times.file, times.tokenizer, times.chat_template, times.weights,
      DescribeLoad(load), times.engine);
}

std::string DescribeWeights(const Model& model, const std::string& folder, uint64_t limit_bytes) {
  const LoadReport& load = model.load_report();
  std::string text = fmt::format("{} {}", FormatSize(model.weight_bytes()), Verb(load.source));
  if (folder.empty()) return text + "; not kept (--repack-dir is off)";
  if (load.repack_path.empty()) return text + "; not kept";
  const RepackFolder::Usage usage = RepackFolder(folder, limit_bytes).usage();
  return text + fmt::format("{} {}; its folder holds {} file{}, {} of at most {}",
                            load.source == WeightSource::kRepacked ? ", kept in" : " from",
                            load.repack_path, usage.files, usage.files == 1 ? "" : "s",
                            FormatSize(usage.bytes), FormatSize(limit_bytes));
}

}  // namespace quire
