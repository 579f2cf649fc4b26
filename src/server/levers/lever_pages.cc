#include "server/levers/lever_pages.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "server/levers/lever_json.h"
#include "server/openai/error_body.h"
#include "server/openai/json_input.h"
#include "server/openai/request_labels.h"
#include "server/service.h"

namespace quire {
namespace {

constexpr std::string_view kRoot = "/v1/levers";

HttpResponse JsonResponse(std::string body) {
  HttpResponse response;
  response.body = std::move(body);
  return response;
}

HttpResponse List(const LeverBoard& levers) {
  JsonWriter json;
  json.BeginObject().Field("applied", !levers.is_blind()).Key("levers").BeginArray();
  for (const LeverStatus& status : levers.List()) WriteLever(status, json);
  json.EndArray().EndObject();
  return JsonResponse(json.Take());
}

HttpResponse Report(LeverBoard& levers, const std::string& name) {
  const auto report = levers.Report(name);
  if (!report) return ToResponse(report.error(), 1);
  JsonWriter json;
  WriteLeverReport(*report, json);
  return JsonResponse(json.Take());
}

Result<std::string> ReadWhy(const std::string& body) {
  if (body.empty()) return std::string();
  QUIRE_TRY(const Json json, ParseJson(body));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(json));
  QUIRE_TRY(auto why, reader.String("why"));
  for (const std::string& name : reader.Unknown()) {
    return Refuse(ErrorCode::kInvalidArgument, "'" + name + "' is not known; there is 'why'", name);
  }
  if (const Status fine = CheckLabel(why.value_or(""), "why"); !fine) {
    return std::unexpected(fine.error());
  }
  return std::move(why).value_or("");
}

HttpResponse Change(LeverBoard& levers, const HttpRequest& request, const std::string& name,
                    bool start) {
  const auto why = ReadWhy(request.body);
  if (!why) return ToResponse(why.error(), 1);
  const auto status = start ? levers.Start(name) : levers.Stop(name, *why);
  if (!status) return ToResponse(status.error(), 1);
  JsonWriter json;
  WriteLever(*status, json);
  return JsonResponse(json.Take());
}

HttpResponse NotAllowed(const HttpRequest& request, const char* allowed) {
  HttpResponse response =
      ErrorResponse(405, "method_not_allowed",
                    request.method.substr(0, 32) + " is not allowed here; use " + allowed);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace

HttpResponse AnswerLevers(LeverBoard& levers, const HttpRequest& request) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  std::string_view rest = std::string_view(request.path).substr(kRoot.size());
  if (rest.empty()) return reads ? List(levers) : NotAllowed(request, "GET, HEAD");
  rest.remove_prefix(1);
  const size_t slash = rest.find('/');
  const std::string name(rest.substr(0, slash));
  if (slash == std::string_view::npos) {
    return reads ? Report(levers, name) : NotAllowed(request, "GET, HEAD");
  }
  const std::string_view action = rest.substr(slash + 1);
  if (action != "start" && action != "stop") {
    return ErrorResponse(404, "not_found",
                         "there is nothing at " + request.path.substr(0, 200) +
                             "; there are GET /v1/levers, GET /v1/levers/{name}, POST "
                             "/v1/levers/{name}/start and POST /v1/levers/{name}/stop");
  }
  if (request.method != "POST") return NotAllowed(request, "POST");
  return Change(levers, request, name, action == "start");
}

}  // namespace quire
