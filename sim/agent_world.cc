#include "sim/agent_world.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "engine/retention/open_calls.h"

namespace quire {

namespace {

constexpr TickMs kLongestKeepMs = 600'000;

class AgentWorld {
 public:
  explicit AgentWorld(const AgentWorldOptions& options)
      : options_(options),
        random_(options.seed),
        server_(ServerOptions(options), [this](const ServedRequest& s) { NoteEnd(s); }),
        agents_(options.agents) {
    server_.SetKeep([this](const ServedRequest& served) { return KeepOf(served); });
    for (uint32_t i = 0; i < options.agents; ++i) marks_.push_back(std::to_string(i));
  }

  AgentWorldResult Run() {
    for (uint32_t i = 0; i < options_.agents; ++i) {
      agents_[i].tokens = FreshTokens(options_.first_prompt_tokens);
      events_.push({Uniform(0, options_.most_gap_ms), i});
    }
    events_.push({0, kChat});
    while (turns_left_ > 0 || !server_.idle()) {
      while (!events_.empty() && events_.top().first <= server_.now_ms()) TakeEvent();
      if (server_.Step()) continue;
      QUIRE_CHECK(!events_.empty(), "agents wait for nothing");
      server_.WaitUntil(events_.top().first);
    }
    server_.CheckInvariants();
    for (const Agent& agent : agents_) {
      result_.longest_blocks += server_.cache().BlocksFor(agent.tokens.size());
    }
    return std::move(result_);
  }

 private:
  static constexpr uint32_t kChat = 0xffffffff;
  struct Agent {
    std::vector<TokenId> tokens;
    uint32_t turn = 0;
    uint32_t left_tokens = 0;  // in full blocks, by the turn before
  };

  static VirtualServerOptions ServerOptions(const AgentWorldOptions& options) {
    VirtualServerOptions server;
    server.cache = {.capacity_blocks = options.capacity_blocks, .block_tokens = 16};
    server.eviction = options.eviction;
    server.rates = options.rates;
    server.prefill_beside_decodes = 256;
    return server;
  }

  double Uniform(double least, double most) {
    return least + (most - least) * static_cast<double>(random_() >> 11) * 0x1p-53;
  }

  std::vector<TokenId> FreshTokens(uint32_t count) {
    std::vector<TokenId> tokens;
    for (uint32_t i = 0; i < count; ++i) {
      tokens.push_back(static_cast<TokenId>(random_() % 50'000));
    }
    return tokens;
  }

  void TakeEvent() {
    const uint32_t who = events_.top().second;
    events_.pop();
    SequenceSpec spec;
    if (who == kChat) {
      if (turns_left_ == 0) return;
      spec.prompt = FreshTokens(options_.chat_tokens);
      spec.max_tokens = options_.answer_tokens;
      const double gap = -1000 * std::log(1 - Uniform(0, 1)) / options_.chats_per_s;
      events_.push({server_.now_ms() + gap, kChat});
      (void)server_.Submit(std::move(spec));  // an overload is for the chats to bear
      return;
    }
    spec.prompt = agents_[who].tokens;
    spec.max_tokens = options_.answer_tokens;
    spec.keep_ms = options_.keep_ms;
    open_calls_.NoteReturn(TurnOf(marks_[who]), Now());
    const auto id = server_.Submit(std::move(spec));
    QUIRE_CHECK(id.has_value(), "an agent was refused");
    agent_of_[*id] = who;
  }

  void NoteEnd(const ServedRequest& served) {
    const auto found = agent_of_.find(served.id);
    if (found == agent_of_.end()) return;
    Agent& agent = agents_[found->second];
    if (agent.turn > 0) {
      result_.ttft_ms.push_back(served.first_token_ms - served.arrival_ms);
      result_.prompt_tokens += served.prompt_tokens;
      result_.cached_tokens += served.cached_tokens;
      result_.lost_tokens += agent.left_tokens - std::min(agent.left_tokens, served.cached_tokens);
    }
    // The last token was never computed.
    agent.left_tokens =
        static_cast<uint32_t>((served.tokens.size() - 1) / kBlockTokens) * kBlockTokens;
    --turns_left_;
    if (++agent.turn == options_.turns) return;
    agent.tokens = served.tokens;
    const std::vector<TokenId> result = FreshTokens(options_.tool_result_tokens);
    agent.tokens.insert(agent.tokens.end(), result.begin(), result.end());
    const double gap = Uniform(options_.least_gap_ms, options_.most_gap_ms);
    events_.push({server_.now_ms() + gap, found->second});
  }

  TickMs Now() const { return static_cast<TickMs>(server_.now_ms()); }

  // Told by its mark alone.
  OpenCalls::Turn TurnOf(const std::string& mark) const {
    return {.tenant = {},
            .conversation = mark,
            .names = no_names_,
            .prompt = {},
            .block_tokens = kBlockTokens};
  }

  TickMs KeepOf(const ServedRequest& served) {
    const auto found = agent_of_.find(served.id);
    if (!options_.learns || found == agent_of_.end()) return 0;
    return open_calls_.NoteCall(TurnOf(marks_[found->second]), Now());
  }

  const AgentWorldOptions options_;
  std::mt19937_64 random_;
  const BlockNames no_names_;
  OpenCalls open_calls_{kLongestKeepMs};
  VirtualServer server_;
  std::vector<Agent> agents_;
  std::vector<std::string> marks_;  // by agent
  std::unordered_map<SequenceId, uint32_t> agent_of_;
  using Event = std::pair<double, uint32_t>;  // when, and which agent
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint32_t turns_left_ = options_.agents * options_.turns;
  AgentWorldResult result_;
};

}  // namespace

AgentWorldResult RunAgents(const AgentWorldOptions& options) { return AgentWorld(options).Run(); }

double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const double at = std::ceil(share * static_cast<double>(values.size()));
  return values[std::min(values.size(), std::max<size_t>(1, static_cast<size_t>(at))) - 1];
}

}  // namespace quire
