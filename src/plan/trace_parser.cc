#include "plan/trace_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "plan/trace_formats.h"

namespace quire {

namespace {

// No published trace has a line a tenth as long.
constexpr size_t kMostLineBytes = size_t{64} << 20;

TraceFormat FormatOf(const std::string& line) {
  if (line.find("\"hash_ids\"") != std::string::npos) return TraceFormat::kMooncake;
  if (line.find("\"requests\"") != std::string::npos) return TraceFormat::kAgentic;
  if (line.starts_with("TIMESTAMP")) return TraceFormat::kAzure;
  return TraceFormat::kAuto;
}

std::unique_ptr<TraceReader> ReaderOf(TraceFormat format, const TraceOptions& options) {
  switch (format) {
    case TraceFormat::kMooncake:
      return MakeMooncakeReader();
    case TraceFormat::kAzure:
      return MakeAzureReader();
    case TraceFormat::kAgentic:
      return MakeAgenticReader(options.sessions_at_once);
    case TraceFormat::kAuto:
      break;
  }
  return nullptr;
}

}  // namespace

Result<Trace> ParseTrace(std::istream& in, const TraceOptions& options) {
  std::unique_ptr<TraceReader> reader;
  std::string line;
  uint64_t number = 0;
  uint64_t bytes = 0;
  while (std::getline(in, line)) {
    ++number;
    bytes += line.size() + 1;
    if (line.size() > kMostLineBytes) {
      return Refuse(ErrorCode::kCorrupt,
                    fmt::format("line {} is longer than {} MiB", number, kMostLineBytes >> 20));
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    if (reader == nullptr) {
      const TraceFormat format =
          options.format == TraceFormat::kAuto ? FormatOf(line) : options.format;
      reader = ReaderOf(format, options);
      if (reader == nullptr) {
        return Refuse(ErrorCode::kCorrupt,
                      fmt::format("line {} is of no format known here; --format names one of "
                                  "mooncake, azure, agentic",
                                  number));
      }
    }
    if (const Status read = reader->Read(line); !read) {
      return Refuse(ErrorCode::kCorrupt, fmt::format("line {}: {}", number, read.error().message));
    }
    if (options.progress) options.progress(bytes);
    if (reader->num_requests() >= options.most_requests) break;
  }
  if (reader == nullptr || reader->num_requests() == 0) {
    return Refuse(ErrorCode::kCorrupt, "the trace has no requests");
  }
  Trace trace = reader->Finish();
  std::ranges::stable_sort(trace.requests, {}, &TraceRequest::arrival);
  if (trace.requests.size() > options.most_requests) trace.requests.resize(options.most_requests);
  return trace;
}

}  // namespace quire
