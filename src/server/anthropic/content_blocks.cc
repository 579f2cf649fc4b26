#include "server/anthropic/content_blocks.h"

#include <algorithm>
#include <utility>

namespace quire {
namespace {

constexpr uint32_t kFiveMinutes = 300;
constexpr uint32_t kOneHour = 3600;

Result<std::string> ReadString(const Json& block, const char* name, const std::string& path) {
  const auto value = block.find(name);
  if (value == block.end() || !value->is_string()) {
    return BadField(path + "." + name, "must be a string");
  }
  return value->get<std::string>();
}

Result<std::string> ReadId(const Json& block, const char* name, const std::string& path) {
  QUIRE_TRY(std::string id, ReadString(block, name, path));
  if (id.empty()) return BadField(path + "." + name, "must not be empty");
  return id;
}

Result<std::string> ReadType(const Json& block, const std::string& path) {
  if (!block.is_object()) {
    return BadField(path,
                    "must be an object with a 'type', not " + std::string(JsonTypeName(block)));
  }
  return ReadString(block, "type", path);
}

std::unexpected<Error> NotRead(const std::string& path, const std::string& type) {
  return Refuse(ErrorCode::kUnsupported,
                "'" + path + "' is of type '" + type + "'; this model reads only text",
                path + ".type");
}

Status ReadToolUse(const Json& block, ContentBlock& out) {
  out.kind = ContentBlock::Kind::kToolUse;
  QUIRE_TRY(out.id, ReadId(block, "id", out.path));
  QUIRE_TRY(out.name, ReadId(block, "name", out.path));
  const auto input = block.find("input");
  if (input == block.end() || !input->is_object()) {
    return BadField(out.path + ".input", "must be an object");
  }
  out.input = *input;
  return {};
}

Status ReadToolResult(const Json& block, ContentBlock& out, CacheWish& wish) {
  out.kind = ContentBlock::Kind::kToolResult;
  QUIRE_TRY(out.id, ReadId(block, "tool_use_id", out.path));
  const auto content = block.find("content");
  if (content != block.end() && !content->is_null()) {
    QUIRE_TRY(out.text, ReadTextBlocks(*content, out.path + ".content", wish));
  }
  const auto failed = block.find("is_error");
  if (failed == block.end() || failed->is_null()) return {};
  if (!failed->is_boolean()) return BadField(out.path + ".is_error", "must be true or false");
  // Templates know no failed results; the model must be told in words.
  if (failed->get<bool>()) out.text = out.text.empty() ? "Error" : "Error: " + out.text;
  return {};
}

}  // namespace

std::unexpected<Error> BadField(const std::string& path, const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "'" + path + "' " + what, path);
}

Status CacheWish::Read(const Json& holder, const std::string& path) {
  const auto control = holder.find("cache_control");
  if (control == holder.end() || control->is_null()) return {};
  const std::string place = path.empty() ? "cache_control" : path + ".cache_control";
  if (!control->is_object() || control->value("type", Json()) != "ephemeral") {
    return BadField(place, R"(must be {"type": "ephemeral"}, with a 'ttl' of "5m" or "1h")");
  }
  const Json ttl = control->value("ttl", Json());
  if (!ttl.is_null() && ttl != "5m" && ttl != "1h") {
    return BadField(place + ".ttl", R"(must be "5m" or "1h")");
  }
  seconds = std::max(seconds, ttl == "1h" ? kOneHour : kFiveMinutes);
  return {};
}

Result<std::vector<ContentBlock>> ReadContentBlocks(const Json& content, const std::string& path,
                                                    CacheWish& wish) {
  std::vector<ContentBlock> blocks;
  if (content.is_string()) {
    ContentBlock& block = blocks.emplace_back();
    block.path = path;
    block.text = content.get<std::string>();
    return blocks;
  }
  if (!content.is_array()) return BadField(path, "must be a string or a list of content blocks");
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& block = content[i];
    ContentBlock out;
    out.path = path + "[" + std::to_string(i) + "]";
    QUIRE_TRY(const std::string type, ReadType(block, out.path));
    if (const Status read = wish.Read(block, out.path); !read) {
      return std::unexpected(read.error());
    }
    Status read;
    if (type == "text") {
      QUIRE_TRY(out.text, ReadString(block, "text", out.path));
    } else if (type == "thinking") {
      out.kind = ContentBlock::Kind::kThinking;
      QUIRE_TRY(out.text, ReadString(block, "thinking", out.path));
    } else if (type == "redacted_thinking") {
      continue;
    } else if (type == "tool_use") {
      read = ReadToolUse(block, out);
    } else if (type == "tool_result") {
      read = ReadToolResult(block, out, wish);
    } else {
      return NotRead(out.path, type);
    }
    if (!read) return std::unexpected(read.error());
    blocks.push_back(std::move(out));
  }
  return blocks;
}

Result<std::string> ReadTextBlocks(const Json& content, const std::string& path, CacheWish& wish) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return BadField(path, "must be a string or a list of text blocks");
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string place = path + "[" + std::to_string(i) + "]";
    QUIRE_TRY(const std::string type, ReadType(content[i], place));
    if (type != "text") return NotRead(place, type);
    if (const Status read = wish.Read(content[i], place); !read) {
      return std::unexpected(read.error());
    }
    QUIRE_TRY(const std::string part, ReadString(content[i], "text", place));
    if (i > 0) text += '\n';
    text += part;
  }
  return text;
}

}  // namespace quire
