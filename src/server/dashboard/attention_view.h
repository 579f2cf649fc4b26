// server/dashboard/attention_view.h -- POST /v1/attention: a short text, and where each of its
// tokens looks.
//
// Threads  any; one text at a time, others wait.
// Errors   kInvalidArgument naming the field; kNotFound where the server shows nothing;
//          kUnavailable if `in_vain`, which is asked between layers, says that nobody waits for it.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "server/ready_model.h"

namespace quire {

Result<std::string> ShowAttention(const ReadyModel& model, const std::string& body,
                                  const std::function<bool()>& in_vain);

}  // namespace quire
