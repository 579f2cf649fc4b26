// model/metadata_reader.h -- reads a model's numbers from a file's metadata and refuses bad ones.
//
// Keys are relative to the architecture: Uint("block_count") reads "llama.block_count". A key that
// is absent takes its default, or is refused where it has none; a key that is there with the wrong
// kind, or out of its range, is always refused.
//
// Errors  kCorrupt, naming the key, its value and the range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gguf/gguf_file.h"

namespace quire {

struct UintRange {
  uint64_t min;
  uint64_t max;
};
struct FloatRange {
  double min;
  double max;
};

class MetadataReader {
 public:
  MetadataReader(const GgufFile& file, std::string architecture)
      : file_(file), architecture_(std::move(architecture)) {}

  const GgufFile& file() const { return file_; }
  const std::string& architecture() const { return architecture_; }
  std::string Key(std::string_view name) const { return architecture_ + "." + std::string(name); }
  bool Has(std::string_view name) const { return file_.Has(Key(name)); }

  Result<uint32_t> Uint(std::string_view name, UintRange range,
                        std::optional<uint64_t> fallback = std::nullopt) const;
  Result<double> Float(std::string_view name, FloatRange range,
                       std::optional<double> fallback = std::nullopt) const;
  // A number, or a list of `layers` equal numbers (some converters write one per layer).
  Result<uint32_t> UniformUint(std::string_view name, UintRange range, uint32_t layers,
                               std::optional<uint64_t> fallback = std::nullopt) const;
  Result<std::string> String(std::string_view name, std::string fallback) const;

 private:
  const GgufFile& file_;
  std::string architecture_;
};

}  // namespace quire
