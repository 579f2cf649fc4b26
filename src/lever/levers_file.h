// lever/levers_file.h -- what levers.toml says.
//
//   [[lever]]
//   name = "keep-support"            # a-z, 0-9, '.', '_', '-'; up to 48
//   owner = "Ann"
//   change = { eviction = { keep_seconds = 600 } }     # one of
//                                    # chunk_tokens = N, offload = BOOL, admission_margin = X,
//                                    # eviction = { keep_seconds = N } or { store = false }
//   share = 0.5                      # 0 to 1
//   by = "route"                     # or "tenant"
//   tenants = ["acme"]               # only these; left out: all
//   routes = ["support/answer"]
//   relieves = "prompts of support are computed again after lunch"
//   creates = "other texts are evicted sooner"
//   guardrail = { metric = "computed_tokens", statistic = "mean" }    # or "p95"
//   rollback = { ratio = 1.2, slack = 0, at_least = 30, window_seconds = 3600 }
//
// All but `tenants`, `routes`, `statistic`, `slack`, `at_least` and `window_seconds` must be there.
// Two levers may not change the same thing for the same request. What would change an answer is
// refused with what to do instead.
//
// Errors   kInvalidArgument with file, line, lever and field for whatever else stands there.
//          kNotFound, kIo: the file cannot be read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lever/lever.h"

namespace quire {

// `path` is for messages.
Result<std::vector<Lever>> ParseLevers(std::string_view text, const std::string& path);
Result<std::vector<Lever>> LoadLevers(const std::string& path);

}  // namespace quire
