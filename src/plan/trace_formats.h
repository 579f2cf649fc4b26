// plan/trace_formats.h -- one reader for each format of trace_parser.h.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "plan/trace.h"

namespace quire {

class TraceReader {
 public:
  virtual ~TraceReader() = default;
  virtual Status Read(const std::string& line) = 0;  // says what is wrong with it
  virtual uint64_t num_requests() const = 0;
  virtual Trace Finish() = 0;  // requests in any order
};

std::unique_ptr<TraceReader> MakeMooncakeReader();
std::unique_ptr<TraceReader> MakeAzureReader();
std::unique_ptr<TraceReader> MakeAgenticReader(uint32_t sessions_at_once);

// Adds a block to the end of a list of runs.
void AppendBlock(std::vector<BlockRun>& runs, uint32_t block);

inline constexpr uint32_t kMostTraceBlocks = 1u << 28;
inline constexpr uint32_t kMostTraceTokens = 1u << 27;  // of one text

}  // namespace quire
