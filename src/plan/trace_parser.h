// plan/trace_parser.h -- traces as they are published: Mooncake's JSON lines, Azure's CSV, sessions
// of agents as JSON lines.
//
//   mooncake  {"timestamp": ms, "input_length", "output_length", "hash_ids": [...]}: ids are of
//             blocks of 512 tokens, the same everywhere in the file
//   azure     TIMESTAMP,ContextTokens,GeneratedTokens: what texts have in common is not known
//   agentic   {"id", "block_size", "requests": [...]}: a request is [t_s, type, in, out,
//   api_time_s,
//             think_time_s, stop, keep, suffix], its blocks being the first `keep` of the request
//             before it and the ids or ranges [a, b] of `suffix`; an object is a sub-agent with
//             requests of its own under "sub", at times since its own "t"
//
// Sessions of an agentic trace have no common clock. `sessions_at_once` of them are open at any
// time: when one ends the next one starts.
//
// Errors   the first line that is not as it should be, with its number and what is wrong.
// Bounds   what a file may claim is checked before anything of that size is made.
#pragma once

#include <functional>
#include <istream>
#include <string>

#include "base/result.h"
#include "plan/trace.h"

namespace quire {

enum class TraceFormat : uint8_t { kAuto, kMooncake, kAzure, kAgentic };

struct TraceOptions {
  TraceFormat format = TraceFormat::kAuto;  // kAuto: by the first line
  uint32_t sessions_at_once = 12;
  uint32_t most_requests = 0xffffffff;  // later ones are left out
  std::function<void(uint64_t bytes)> progress = {};
};

Result<Trace> ParseTrace(std::istream& in, const TraceOptions& options);

}  // namespace quire
