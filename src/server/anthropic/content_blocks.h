// server/anthropic/content_blocks.h -- the blocks that Anthropic's messages are made of, checked.
//
// A text stands for one block of type text. `cache_control` may be on every block.
//
// Errors  kInvalidArgument for broken blocks, kUnsupported for kinds that the model cannot read
//         (images, documents, ...); `param` names the block.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/openai/json_input.h"

namespace quire {

struct ContentBlock {
  enum class Kind : uint8_t { kText, kThinking, kToolUse, kToolResult };
  Kind kind = Kind::kText;
  std::string path;  // "messages[0].content[1]"
  std::string text;  // of a result: what the tool said
  std::string id;    // of a call, or of the call that a result answers
  std::string name;  // of the function called
  Json input;        // of a call: an object
};

// How long the client wants its prefixes kept, from the `cache_control` it sent.
struct CacheWish {
  uint32_t seconds = 0;  // the longest; 0: no wish

  // `holder` may have a cache_control.
  Status Read(const Json& holder, const std::string& path);
};

// `content`: a text or a list of blocks. Thoughts that were redacted are left out.
Result<std::vector<ContentBlock>> ReadContentBlocks(const Json& content, const std::string& path,
                                                    CacheWish& wish);

// A text or a list of text blocks, one line after the other.
Result<std::string> ReadTextBlocks(const Json& content, const std::string& path, CacheWish& wish);

// Refuses: the field `path` and what is wrong with it.
std::unexpected<Error> BadField(const std::string& path, const std::string& what);

}  // namespace quire
