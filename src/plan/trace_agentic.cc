#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <queue>
#include <utility>

#include "plan/trace_formats.h"

namespace quire {

namespace {

using Json = nlohmann::json;

Status Wrong(const std::string& what) { return Refuse(ErrorCode::kCorrupt, what); }

bool IsBetween(const Json& value, double least, double most) {
  return value.is_number() && value.get<double>() >= least && value.get<double>() <= most;
}

constexpr double kMostSeconds = 1e9;

// One session: its requests, with blocks numbered from 0 in the order of the file's ids.
class AgentSession {
 public:
  AgentSession(uint32_t first_block, uint32_t tenant)
      : first_block_(first_block), tenant_(tenant) {}

  // `list` is the session's or a sub-agent's; `start_s` what its times count from.
  Status ReadList(const Json& list, double start_s) {
    std::vector<BlockRun> previous;
    for (const Json& element : list) {
      if (element.is_object()) {
        if (const Status read = ReadSubAgent(element, start_s); !read) return read;
        continue;
      }
      if (const Status read = ReadRequest(element, start_s, previous); !read) return read;
    }
    return {};
  }

  std::vector<TraceRequest>& requests() { return requests_; }
  uint32_t end_block() const { return end_block_; }

 private:
  Status ReadSubAgent(const Json& agent, double start_s) {
    const auto list = agent.find("sub");
    if (list == agent.end() || !list->is_array()) return Wrong("a sub-agent without a list `sub`");
    const auto time = agent.find("t");
    if (time == agent.end() || !IsBetween(*time, 0, kMostSeconds)) {
      return Wrong("a sub-agent without a time `t`");
    }
    for (const Json& element : *list) {
      if (element.is_object()) return Wrong("a sub-agent within a sub-agent");
    }
    return ReadList(*list, start_s + time->get<double>());
  }

  Status ReadRequest(const Json& element, double start_s, std::vector<BlockRun>& previous) {
    if (!element.is_array() || element.size() != 9) return Wrong("a request is not a list of 9");
    if (!IsBetween(element[0], 0, kMostSeconds)) return Wrong("a request's time is none");
    if (!IsBetween(element[2], 1, kMostTraceTokens) ||
        !IsBetween(element[3], 0, kMostTraceTokens)) {
      return Wrong("a request's tokens in or out are no such numbers");
    }
    if (!IsBetween(element[7], 0, kMostTraceBlocks) || !element[8].is_array()) {
      return Wrong("a request's `keep` or `suffix` is wrong");
    }
    if (const Status kept = KeepFirst(element[7].get<uint32_t>(), previous); !kept) return kept;
    for (const Json& part : element[8]) {
      if (const Status added = AddSuffix(part, previous); !added) return added;
    }
    requests_.push_back(
        {.arrival = static_cast<TickMs>((start_s + element[0].get<double>()) * 1000),
         .prompt_tokens = element[2].get<uint32_t>(),
         .output_tokens = element[3].get<uint32_t>(),
         .tenant = tenant_,
         .blocks = previous});
    return {};
  }

  static Status KeepFirst(uint32_t keep, std::vector<BlockRun>& runs) {
    uint32_t left = keep;
    for (size_t i = 0; i < runs.size(); ++i) {
      runs[i].count = std::min(runs[i].count, left);
      left -= runs[i].count;
      if (left == 0) runs.resize(runs[i].count == 0 ? i : i + 1);
    }
    if (left == 0) return {};
    return Wrong(fmt::format("`keep` is {}, but the request before has {} fewer", keep, left));
  }

  Status AddSuffix(const Json& part, std::vector<BlockRun>& runs) {
    const bool range = part.is_array() && part.size() == 2;
    const Json& from = range ? part[0] : part;
    const Json& to = range ? part[1] : part;
    if (!from.is_number_unsigned() || !to.is_number_unsigned()) {
      return Wrong("a suffix holds what is neither an id nor a range");
    }
    const uint64_t first = from.get<uint64_t>();
    const uint64_t last = to.get<uint64_t>();
    if (last < first || last + first_block_ >= kMostTraceBlocks) {
      return Wrong(fmt::format("the range {} to {} is empty or too far up", first, last));
    }
    runs.push_back(
        {first_block_ + static_cast<uint32_t>(first), static_cast<uint32_t>(last - first + 1)});
    end_block_ = std::max(end_block_, first_block_ + static_cast<uint32_t>(last) + 1);
    return {};
  }

  uint32_t first_block_;
  uint32_t tenant_;
  uint32_t end_block_ = 0;
  std::vector<TraceRequest> requests_;
};

class AgenticReader : public TraceReader {
 public:
  explicit AgenticReader(uint32_t sessions_at_once) {
    trace_.format = "agentic";
    for (uint32_t i = 0; i < std::max(sessions_at_once, 1u); ++i) free_.push({0, i});
  }

  Status Read(const std::string& line) override {
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) return Wrong("not a JSON object");
    const auto block = object.find("block_size");
    if (block == object.end() || !IsBetween(*block, 1, 65536)) {
      return Wrong("block_size is not a number of tokens");
    }
    if (!trace_.requests.empty() && block->get<uint32_t>() != trace_.block_tokens) {
      return Wrong("block_size differs from that of the lines before");
    }
    const auto list = object.find("requests");
    if (list == object.end() || !list->is_array()) return Wrong("requests is not a list");
    AgentSession session(trace_.num_blocks, free_.top().second);
    if (const Status read = session.ReadList(*list, 0); !read) return read;
    trace_.block_tokens = block->get<uint32_t>();
    trace_.num_blocks = std::max(trace_.num_blocks, session.end_block());
    Place(session.requests());
    return {};
  }

  uint64_t num_requests() const override { return trace_.requests.size(); }
  Trace Finish() override { return std::move(trace_); }

 private:
  // Where the session that ends first ends.
  void Place(std::vector<TraceRequest>& requests) {
    if (requests.empty()) return;
    TickMs begin = requests[0].arrival;
    TickMs end = begin;
    for (const TraceRequest& request : requests) {
      begin = std::min(begin, request.arrival);
      end = std::max(end, request.arrival);
    }
    const auto [start, place] = free_.top();
    free_.pop();
    free_.push({start + end - begin, place});
    for (TraceRequest& request : requests) {
      request.arrival = start + request.arrival - begin;
      trace_.requests.push_back(std::move(request));
    }
  }

  Trace trace_;
  using Free = std::pair<TickMs, uint32_t>;  // from when on, and which place: the request's tenant
  std::priority_queue<Free, std::vector<Free>, std::greater<>> free_;
};

}  // namespace

std::unique_ptr<TraceReader> MakeAgenticReader(uint32_t sessions_at_once) {
  return std::make_unique<AgenticReader>(sessions_at_once);
}

}  // namespace quire
