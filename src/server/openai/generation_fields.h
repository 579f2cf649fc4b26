// server/openai/generation_fields.h -- the fields that every endpoint which generates understands.
//
// What would change the answer and is not supported is refused by name; what cannot change it and
// is not known ends up in `ignored`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/request.h"
#include "server/openai/json_input.h"
#include "server/openai/structured_fields.h"

namespace quire {

inline constexpr int64_t kMaxChoices = 128;
inline constexpr int64_t kMaxTopLogprobs = 20;
inline constexpr size_t kMaxStops = 16;
// Of all stop texts. Each byte costs a choice 1 KiB of automaton, hence the second bound.
inline constexpr size_t kMaxStopBytes = 1024;
inline constexpr size_t kMaxStopBytesTimesChoices = 8192;
// Of kv_policy: a pin without a time, and the longest time.
inline constexpr int64_t kDefaultPinSeconds = 3600;
inline constexpr int64_t kMaxTtlSeconds = 7 * 24 * 3600;
inline constexpr size_t kMaxConversationBytes = 512;  // of a client's name for a conversation
inline constexpr int64_t kMaxTokensBound = int64_t{1} << 30;

struct GenerationFields {
  GenerationRequest request;  // all but the prompt
  std::string model;          // empty: the client did not say
  std::optional<uint32_t> max_tokens;
  bool cut_max_tokens = false;         // more than there is room for is cut, not refused
  std::optional<StructuredForm> form;  // to be compiled into request.grammar
  bool has_seed = false;
  bool stream = false;
  bool include_usage = false;
  std::vector<std::string> ignored;
};

// Takes the common fields out of `reader`. Log-probabilities differ between endpoints and are the
// caller's.
Result<GenerationFields> ReadGenerationFields(FieldReader& reader);

enum class Endpoint : uint8_t { kChat, kCompletions };

// To be called last: refuses unsupported fields among those nobody took, lists the others. One
// whose value asks for nothing is honoured by doing nothing, so it is in neither.
Status FinishFields(const FieldReader& reader, const Json& body, Endpoint endpoint,
                    GenerationFields& fields);

}  // namespace quire
