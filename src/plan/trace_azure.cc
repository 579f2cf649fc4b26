#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <string_view>

#include "plan/trace_formats.h"

namespace quire {

namespace {

constexpr uint32_t kBlock = 16;

Status Wrong(const std::string& what) { return Refuse(ErrorCode::kCorrupt, what); }

bool ReadWhole(std::string_view text, uint32_t most, uint32_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value <= most;
}

// "2023-11-16 18:15:46.6805900" in milliseconds; false if it is none.
bool ReadTime(std::string_view text, TickMs& ms) {
  constexpr std::string_view kForm = "dddd-dd-dd dd:dd:dd";
  if (text.size() < kForm.size()) return false;
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == 'd' ? !digit : text[i] != kForm[i]) return false;
  }
  const auto part = [&](size_t at, size_t count) {
    uint32_t value = 0;
    (void)ReadWhole(text.substr(at, count), 9999, value);
    return value;
  };
  using namespace std::chrono;
  const year_month_day date{year(static_cast<int>(part(0, 4))), month(part(5, 2)),
                            std::chrono::day(part(8, 2))};
  if (!date.ok() || part(11, 2) > 23 || part(14, 2) > 59 || part(17, 2) > 60) return false;
  uint32_t fraction = 0;
  std::string_view rest = text.substr(kForm.size());
  if (!rest.empty()) {
    if (rest[0] != '.' || rest.size() < 2) return false;
    for (uint32_t i = 1; i < rest.size(); ++i) {
      if (rest[i] < '0' || rest[i] > '9') return false;
    }
    for (uint32_t i = 1; i <= 3; ++i) {
      fraction = fraction * 10 + (i < rest.size() ? static_cast<uint32_t>(rest[i] - '0') : 0);
    }
  }
  const auto days = sys_days(date).time_since_epoch().count();
  if (days < 0) return false;
  ms = ((static_cast<TickMs>(days) * 24 + part(11, 2)) * 60 + part(14, 2)) * 60000 +
       part(17, 2) * 1000 + fraction;
  return true;
}

// Every prompt is a text of its own.
class AzureReader : public TraceReader {
 public:
  AzureReader() {
    trace_.format = "azure";
    trace_.block_tokens = kBlock;
    trace_.has_reuse = false;
  }

  Status Read(const std::string& line) override {
    if (line.starts_with("TIMESTAMP")) return {};
    std::array<std::string_view, 3> fields;
    std::string_view rest = line;
    for (size_t i = 0; i < 3; ++i) {
      const size_t comma = rest.find(',');
      if ((comma == std::string_view::npos) != (i == 2)) {
        return Wrong("not three fields TIMESTAMP,ContextTokens,GeneratedTokens");
      }
      fields[i] = rest.substr(0, comma);
      if (i < 2) rest.remove_prefix(comma + 1);
    }
    TraceRequest request;
    TickMs time = 0;
    if (!ReadTime(fields[0], time)) {
      return Wrong(fmt::format("'{}' is not a time like 2023-11-16 18:15:46.680", fields[0]));
    }
    if (!ReadWhole(fields[1], kMostTraceTokens, request.prompt_tokens) ||
        request.prompt_tokens == 0) {
      return Wrong(fmt::format("'{}' is not a number of context tokens", fields[1]));
    }
    if (!ReadWhole(fields[2], kMostTraceTokens, request.output_tokens)) {
      return Wrong(fmt::format("'{}' is not a number of generated tokens", fields[2]));
    }
    if (trace_.requests.empty()) start_ = time;
    if (time < start_) return Wrong("a time before that of the first request");
    request.arrival = time - start_;
    request.tenant = static_cast<uint32_t>(trace_.requests.size());
    const uint32_t blocks = (request.prompt_tokens + kBlock - 1) / kBlock;
    if (trace_.num_blocks + uint64_t{blocks} > kMostTraceBlocks) {
      return Wrong("more blocks than can be replayed");
    }
    request.blocks.push_back({trace_.num_blocks, blocks});
    trace_.num_blocks += blocks;
    trace_.requests.push_back(std::move(request));
    return {};
  }

  uint64_t num_requests() const override { return trace_.requests.size(); }
  Trace Finish() override { return std::move(trace_); }

 private:
  Trace trace_;
  TickMs start_ = 0;
};

}  // namespace

std::unique_ptr<TraceReader> MakeAzureReader() { return std::make_unique<AzureReader>(); }

}  // namespace quire
