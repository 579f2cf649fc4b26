#include "engine/retention/open_calls.h"

#include <algorithm>

namespace quire {

TickMs OpenCalls::NoteCall(const Turn& turn, TickMs now) {
  if (longest_ms_ == 0) return 0;
  Tenant& tenant = tenants_[std::string(turn.tenant)];
  while (!tenant.open.empty() &&
         (tenant.open.size() >= kMaxOpen || tenant.open.front().at + kForgetMs <= now)) {
    tenant.open.pop_front();
  }
  Call call;
  call.conversation = turn.conversation;
  call.tokens = turn.prompt.size();
  call.at = now;
  const auto certain = turn.prompt.size() - std::min<size_t>(turn.prompt.size(), kLooseTokens);
  call.blocks = static_cast<uint32_t>(certain / turn.block_tokens);
  if (call.blocks > 0) call.name = turn.names.Of(call.blocks - 1, turn.prompt, turn.block_tokens);
  tenant.open.push_back(std::move(call));
  return std::min(tenant.pauses.Bound(), longest_ms_);
}

uint32_t OpenCalls::Likeness(const Turn& turn, const Call& call) {
  const bool marked = !turn.conversation.empty() && !call.conversation.empty();
  if (marked && turn.conversation != call.conversation) return 0;
  // With the answer and the result it is longer than it was; else it was sent again.
  const bool begins = call.blocks > 0 && turn.prompt.size() > call.tokens &&
                      turn.names.Of(call.blocks - 1, turn.prompt, turn.block_tokens) == call.name;
  if (begins) return call.blocks + 1;
  return marked ? 1 : 0;
}

bool OpenCalls::NoteReturn(const Turn& turn, TickMs now) {
  const auto found = tenants_.find(std::string(turn.tenant));
  if (found == tenants_.end()) return false;
  std::deque<Call>& open = found->second.open;
  auto best = open.end();
  uint32_t most = 0;
  for (auto call = open.begin(); call != open.end(); ++call) {
    const uint32_t likeness = call->at + kForgetMs > now ? Likeness(turn, *call) : 0;
    if (likeness <= most) continue;
    most = likeness;
    best = call;
  }
  if (best == open.end()) return false;
  found->second.pauses.Note(now - best->at);
  open.erase(best);
  return true;
}

size_t OpenCalls::num_open(std::string_view tenant) const {
  const auto found = tenants_.find(std::string(tenant));
  return found == tenants_.end() ? 0 : found->second.open.size();
}

}  // namespace quire
