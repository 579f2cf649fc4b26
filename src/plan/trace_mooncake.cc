#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "plan/trace_formats.h"

namespace quire {

namespace {

using Json = nlohmann::json;

constexpr uint32_t kMooncakeBlock = 512;

Status Wrong(const std::string& what) { return Refuse(ErrorCode::kCorrupt, what); }

bool IsWhole(const Json& object, const char* name, uint64_t most) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return false;
  const double value = found->get<double>();
  return value >= 0 && value <= static_cast<double>(most);
}

class MooncakeReader : public TraceReader {
 public:
  MooncakeReader() {
    trace_.format = "mooncake";
    trace_.block_tokens = kMooncakeBlock;
  }

  Status Read(const std::string& line) override {
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) return Wrong("not a JSON object");
    if (!IsWhole(object, "timestamp", uint64_t{1} << 52)) {
      return Wrong("timestamp is not a number of milliseconds");
    }
    for (const char* name : {"input_length", "output_length"}) {
      if (!IsWhole(object, name, kMostTraceTokens)) {
        return Wrong(fmt::format("{} is not a number of tokens up to {}", name, kMostTraceTokens));
      }
    }
    TraceRequest request{
        .arrival = static_cast<TickMs>(object["timestamp"].get<double>()),
        .prompt_tokens = static_cast<uint32_t>(object["input_length"].get<double>()),
        .output_tokens = static_cast<uint32_t>(object["output_length"].get<double>())};
    if (request.prompt_tokens == 0) return Wrong("input_length is 0");
    if (const Status ids = ReadIds(object, request); !ids) return ids;
    trace_.requests.push_back(std::move(request));
    return {};
  }

  uint64_t num_requests() const override { return trace_.requests.size(); }

  Trace Finish() override {
    trace_.num_blocks = static_cast<uint32_t>(numbers_.size());
    return std::move(trace_);
  }

 private:
  Status ReadIds(const Json& object, TraceRequest& request) {
    const auto ids = object.find("hash_ids");
    if (ids == object.end() || !ids->is_array()) return Wrong("hash_ids is not a list");
    const uint64_t wanted = (uint64_t{request.prompt_tokens} + kMooncakeBlock - 1) / kMooncakeBlock;
    if (ids->size() != wanted) {
      return Wrong(fmt::format("{} hash_ids for {} tokens; blocks of {} tokens make {}",
                               ids->size(), request.prompt_tokens, kMooncakeBlock, wanted));
    }
    for (const Json& id : *ids) {
      if (!id.is_number_integer()) return Wrong("hash_ids holds what is not a whole number");
      const uint32_t fresh = static_cast<uint32_t>(numbers_.size());
      const auto [place, added] = numbers_.try_emplace(id.get<int64_t>(), fresh);
      if (added && fresh == kMostTraceBlocks) return Wrong("more blocks than can be replayed");
      AppendBlock(request.blocks, place->second);
    }
    // Who goes on with a conversation is the same: its second block tells, the first is common.
    const BlockRun& run = request.blocks.back();
    request.tenant = request.num_blocks() < 2 ? run.first : SecondBlockOf(request);
    return {};
  }

  static uint32_t SecondBlockOf(const TraceRequest& request) {
    const BlockRun& first = request.blocks[0];
    return first.count > 1 ? first.first + 1 : request.blocks[1].first;
  }

  Trace trace_;
  std::unordered_map<int64_t, uint32_t> numbers_;  // ids in the order in which they come
};

}  // namespace

void AppendBlock(std::vector<BlockRun>& runs, uint32_t block) {
  if (!runs.empty() && runs.back().first + runs.back().count == block) {
    ++runs.back().count;
  } else {
    runs.push_back({block, 1});
  }
}

std::unique_ptr<TraceReader> MakeMooncakeReader() { return std::make_unique<MooncakeReader>(); }

}  // namespace quire
