#include "server/running_requests.h"

#include <charconv>
#include <optional>
#include <utility>

#include "server/openai/json_writer.h"
#include "server/service.h"

namespace quire {
namespace {

constexpr std::string_view kBefore = "/v1/requests/";
constexpr std::string_view kBehind = "/cancel";

// "/v1/requests/12/cancel" -> 12
std::optional<uint32_t> NumberOf(std::string_view path) {
  if (!path.starts_with(kBefore) || !path.ends_with(kBehind)) return std::nullopt;
  path.remove_prefix(kBefore.size());
  if (path.size() <= kBehind.size()) return std::nullopt;
  path.remove_suffix(kBehind.size());
  uint32_t number = 0;
  const auto read = std::from_chars(path.data(), path.data() + path.size(), number);
  if (read.ec != std::errc() || read.ptr != path.data() + path.size()) return std::nullopt;
  return number;
}

}  // namespace

const RunningRequests::Entry* RunningRequests::Revoke(uint32_t number, const Caller& caller) const {
  const auto found = entries_.find(number);
  if (found == entries_.end() || !caller.MaySee(found->second.tenant)) return nullptr;
  found->second.revoke();
  return &found->second;
}

HttpResponse CancelRequest(const RunningRequests& running, std::string_view path,
                           const Caller& caller) {
  const std::optional<uint32_t> number = NumberOf(path);
  if (!number) {
    return ToResponse({ErrorCode::kNotFound,
                       "there is nothing at this path; a request is ended by POST "
                       "/v1/requests/{id}/cancel, with its number in GET /v1/live",
                       {}},
                      0);
  }
  const RunningRequests::Entry* entry = running.Revoke(*number, caller);
  if (entry == nullptr) {
    return ToResponse(
        {ErrorCode::kNotFound,
         "no request " + std::to_string(*number) + " of yours is under way; it may be over already",
         {}},
        0);
  }
  JsonWriter json;
  json.BeginObject().Field("id", *number).Field("object", "request.cancelled");
  json.Field("request_id", entry->request_id).EndObject();
  HttpResponse response;
  response.body = json.Take();
  return response;
}

}  // namespace quire
