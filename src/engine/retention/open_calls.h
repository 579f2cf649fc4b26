// engine/retention/open_calls.h -- answers that ended in a tool call and are waited for to go on.
//
//   NoteCall    an answer ended in a call: until when to keep its blocks
//   NoteReturn  a request begins that goes on with one: its pause is learned, the call is closed
//
// A request goes on with the call whose prompt it begins with, the longest one if there are
// several. Where the client marks its conversations, with one of the same mark only, and if its
// prompt was rendered anew, by the mark alone: marks may be shared by conversations, so they count
// less than what was said. Calls that nobody goes on with are forgotten and teach nothing.
//
// Tenants learn apart: nothing of one shows in what another keeps.
//
// Threads  none; times are arguments. Bounds: kMaxOpen calls a tenant, the oldest go first.
// Cost     O(open calls of the tenant), and the names of the prompt's blocks.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/token_id.h"
#include "cache/block_names.h"
#include "engine/retention/pause_estimate.h"

namespace quire {

class OpenCalls {
 public:
  static constexpr size_t kMaxOpen = 1024;
  static constexpr TickMs kForgetMs = 3'600'000;  // after so long a call is not waited for any more
  // The end of a prompt, which opens the answer, may look different in the next turn.
  static constexpr uint32_t kLooseTokens = 8;

  // Nothing is kept for longer than `longest_ms`; 0: nothing is kept, and nothing learned.
  explicit OpenCalls(TickMs longest_ms) : longest_ms_(longest_ms) {}

  // Who speaks, and what was said to the model.
  struct Turn {
    std::string_view tenant;
    std::string_view conversation;  // the client's mark; empty: none
    const BlockNames& names;
    std::span<const TokenId> prompt;
    uint32_t block_tokens = 0;
  };

  // Returns how long the blocks are to be kept from `now` on.
  TickMs NoteCall(const Turn& turn, TickMs now);

  // Whether `turn` goes on with an open call.
  bool NoteReturn(const Turn& turn, TickMs now);

  size_t num_open(std::string_view tenant) const;

 private:
  struct Call {
    std::string conversation;
    BlockName name{};     // of the last full block of its prompt that is certain
    uint32_t blocks = 0;  // up to and with that one; 0: there is none
    size_t tokens = 0;    // of its prompt
    TickMs at = 0;
  };
  struct Tenant {
    PauseEstimate pauses;
    std::deque<Call> open;  // oldest first
  };
  // How sure it is that `turn` goes on with `call`; 0: it does not.
  static uint32_t Likeness(const Turn& turn, const Call& call);

  const TickMs longest_ms_;
  std::unordered_map<std::string, Tenant> tenants_;
};

}  // namespace quire
