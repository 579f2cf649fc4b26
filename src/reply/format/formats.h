// reply/format/formats.h -- the rules of each format that works by marks.
//
// `names`, the tools that may be called, and `texts` outlive the rules; null names: calls are not
// looked for.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "reply/reply_rules.h"

namespace quire {

using ToolNames = std::vector<std::string>;
// Tools and those of their parameters that are texts, whatever they look like.
using TextParameters = std::set<std::pair<std::string, std::string>>;

ReplyRules HermesRules(const ToolNames* names);
ReplyRules QwenCoderRules(const ToolNames* names, const TextParameters* texts);
ReplyRules LlamaRules(const ToolNames* names);
ReplyRules MistralRules(const ToolNames* names);
ReplyRules DeepSeekRules(const ToolNames* names);
ReplyRules GraniteRules(const ToolNames* names);
ReplyRules CommandRRules(const ToolNames* names);
ReplyRules PhiRules(const ToolNames* names);
ReplyRules HarmonyRules(const ToolNames* names);

}  // namespace quire
