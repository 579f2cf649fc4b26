#include "server/http/query_fields.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "server/http/http_message.h"
#include "server/openai/json_writer.h"

namespace quire {
namespace {

std::optional<std::string> Decode(std::string_view text) {
  std::string plain(text);
  std::ranges::replace(plain, '+', ' ');
  auto decoded = PercentDecode(plain);
  if (decoded && ToValidUtf8(*decoded) != *decoded) return std::nullopt;
  return decoded;
}

}  // namespace

Result<QueryFields> QueryFields::Parse(std::string_view query) {
  QueryFields out;
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view field = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (field.empty()) continue;
    const size_t equals = std::min(field.find('='), field.size());
    auto name = Decode(field.substr(0, equals));
    auto value = Decode(field.substr(std::min(equals + 1, field.size())));
    if (!name || !value) {
      return Refuse(ErrorCode::kInvalidArgument, "the query has a broken escape");
    }
    if (out.fields_.size() == kMostFields) {
      return Refuse(ErrorCode::kInvalidArgument, "the query has too many fields");
    }
    const auto [at, fresh] = out.fields_.emplace(*std::move(name), *std::move(value));
    if (!fresh) {
      const std::string twice = at->first.substr(0, 64);
      return Refuse(ErrorCode::kInvalidArgument, "'" + twice + "' comes twice in the query", twice);
    }
  }
  return out;
}

std::optional<std::string> QueryFields::Text(std::string_view name) {
  const auto found = fields_.find(name);
  if (found == fields_.end()) return std::nullopt;
  std::string value = std::move(found->second);
  fields_.erase(found);
  return value;
}

Result<std::optional<int64_t>> QueryFields::Integer(std::string_view name, int64_t low,
                                                    int64_t high) {
  const auto text = Text(name);
  if (!text) return std::nullopt;
  int64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto [at, error] = std::from_chars(text->data(), end, value);
  if (error == std::errc() && at == end && value >= low && value <= high) return value;
  const std::string field(name);
  return Refuse(ErrorCode::kInvalidArgument,
                "'" + field + "' must be an integer between " + std::to_string(low) + " and " +
                    std::to_string(high),
                field);
}

Status QueryFields::Finish(std::string_view known) const {
  if (fields_.empty()) return {};
  const std::string name = fields_.begin()->first.substr(0, 64);
  return Refuse(ErrorCode::kInvalidArgument,
                "'" + name + "' is not known in the query; there are " + std::string(known), name);
}

}  // namespace quire
