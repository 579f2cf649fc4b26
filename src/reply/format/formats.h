// reply/format/formats.h -- the rules of each format that works by marks.
//
// `names`, the tools that may be called, outlives the rules; null: calls are not looked for.
#pragma once

#include <string>
#include <vector>

#include "reply/reply_rules.h"

namespace quire {

using ToolNames = std::vector<std::string>;

ReplyRules HermesRules(const ToolNames* names);
ReplyRules LlamaRules(const ToolNames* names);
ReplyRules MistralRules(const ToolNames* names);
ReplyRules DeepSeekRules(const ToolNames* names);
ReplyRules GraniteRules(const ToolNames* names);
ReplyRules CommandRRules(const ToolNames* names);
ReplyRules PhiRules(const ToolNames* names);
ReplyRules HarmonyRules(const ToolNames* names);

}  // namespace quire
