#include "server/ledger/ledger_pages.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "ledger/ledger_csv.h"
#include "server/http/query_fields.h"
#include "server/ledger/ledger_json.h"
#include "server/openai/json_input.h"
#include "server/openai/request_labels.h"
#include "server/service.h"

namespace quire {
namespace {

constexpr std::string_view kRoot = "/v1/ledger";
constexpr int64_t kMostRows = 1000;
constexpr int64_t kUsualRows = 100;
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr std::string_view kFilterFields =
    "since_ms, until_ms, request_id, retry_of, api, model, route, version, outcome, verdict, "
    "label, lever, tenant";

Result<LedgerFilter> FilterOf(QueryFields& fields, const Caller& caller) {
  LedgerFilter filter;
  filter.tenant = fields.Text("tenant");
  if (!caller.admin) {
    if (filter.tenant && *filter.tenant != caller.tenant) {
      return Refuse(ErrorCode::kInvalidArgument, "only an admin may ask for another tenant's rows",
                    "tenant");
    }
    filter.tenant = caller.tenant;
    filter.generation = caller.generation;
  }
  filter.request_id = fields.Text("request_id");
  filter.retry_of = fields.Text("retry_of");
  filter.api = fields.Text("api");
  filter.model = fields.Text("model");
  filter.route = fields.Text("route");
  filter.version = fields.Text("version");
  filter.outcome = fields.Text("outcome");
  filter.verdict = fields.Text("verdict");
  filter.label = fields.Text("label");
  filter.lever = fields.Text("lever");
  if (filter.outcome && !FindLedgerOutcome(*filter.outcome)) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'outcome' must be finished, length, cancelled, refused or error", "outcome");
  }
  QUIRE_TRY(filter.since_ms, fields.Integer("since_ms", 0, kMax));
  QUIRE_TRY(filter.until_ms, fields.Integer("until_ms", 0, kMax));
  return filter;
}

struct Question {
  LedgerWish wish;
  bool csv = false;
};

Result<Question> ReadQuestion(const HttpRequest& request, const Caller& caller) {
  QUIRE_TRY(QueryFields fields, QueryFields::Parse(request.query));
  Question question;
  QUIRE_TRY(question.wish.filter, FilterOf(fields, caller));
  QUIRE_TRY(const auto limit, fields.Integer("limit", 1, kMostRows));
  QUIRE_TRY(const auto before, fields.Integer("before", 1, kMax));
  question.wish.own_numbers = !caller.admin;
  question.wish.limit = static_cast<uint32_t>(limit.value_or(kUsualRows));
  question.wish.before = before.value_or(0);
  const std::string format = fields.Text("format").value_or("json");
  question.csv = format == "csv";
  if (!question.csv && format != "json") {
    return Refuse(ErrorCode::kInvalidArgument, "'format' must be json or csv", "format");
  }
  const std::string known = "limit, before, format, " + std::string(kFilterFields);
  if (const Status all = fields.Finish(known); !all) return std::unexpected(all.error());
  return question;
}

Result<LedgerSumWish> ReadSumWish(const HttpRequest& request, const Caller& caller) {
  QUIRE_TRY(QueryFields fields, QueryFields::Parse(request.query));
  LedgerSumWish wish;
  QUIRE_TRY(wish.filter, FilterOf(fields, caller));
  QUIRE_TRY(const auto limit, fields.Integer("limit", 1, kMostRows));
  wish.limit = static_cast<uint32_t>(limit.value_or(kUsualRows));
  const std::string by = fields.Text("by").value_or("route");
  const auto key = std::ranges::find(kLedgerKeys, by);
  if (key == kLedgerKeys.end()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'by' must be route, version, tenant, model, api, outcome, verdict or arms",
                  "by");
  }
  wish.by = *key;
  wish.good_label = fields.Text("good").value_or(wish.good_label);
  const std::string known = "by, good, limit, " + std::string(kFilterFields);
  if (const Status all = fields.Finish(known); !all) return std::unexpected(all.error());
  return wish;
}

uint64_t LostTo(const Ledger& ledger, const Caller& caller) {
  if (!caller.admin) return ledger.LostOf(caller.tenant);
  uint64_t all = 0;
  for (const auto& [tenant, lost] : ledger.counts().lost) all += lost.rows();
  return all;
}

std::string CsvOf(const LedgerPage& page) {
  std::string csv = LedgerCsvHead();
  for (const LedgerRow& row : page.rows) AppendCsv(row, csv);
  return csv;
}

std::string JsonOf(const LedgerPage& page, uint64_t lost) {
  JsonWriter json;
  json.BeginObject().Key("rows").BeginArray();
  for (const LedgerRow& row : page.rows) WriteLedgerRow(row, json);
  json.EndArray().Key("next");
  page.next == 0 ? json.Null() : json.Number(page.next);
  json.Field("lost", lost).EndObject();
  return json.Take();
}

HttpResponse Rows(Ledger& ledger, const HttpRequest& request, const Caller& caller) {
  const auto question = ReadQuestion(request, caller);
  if (!question) return ToResponse(question.error(), 1);
  const auto page = ledger.Read(question->wish);
  if (!page) {
    return ToResponse({ErrorCode::kUnavailable, page.error().message, {}}, 1);
  }
  const uint64_t lost = LostTo(ledger, caller);
  HttpResponse response;
  if (!question->csv) {
    response.body = JsonOf(*page, lost);
    return response;
  }
  response.content_type = "text/csv; charset=utf-8";
  if (page->next != 0) response.headers.emplace_back("X-Quire-Next", std::to_string(page->next));
  response.headers.emplace_back("X-Quire-Lost", std::to_string(lost));
  response.body = CsvOf(*page);
  return response;
}

HttpResponse Sums(Ledger& ledger, const HttpRequest& request, const Caller& caller) {
  const auto wish = ReadSumWish(request, caller);
  if (!wish) return ToResponse(wish.error(), 1);
  const auto sums = ledger.Sum(*wish);
  if (!sums) return ToResponse({ErrorCode::kUnavailable, sums.error().message, {}}, 1);
  JsonWriter json;
  json.BeginObject().Field("by", wish->by).Key("groups").BeginArray();
  for (const LedgerSum& sum : *sums) WriteLedgerSum(sum, json);
  json.EndArray().Field("lost", LostTo(ledger, caller)).EndObject();
  HttpResponse response;
  response.body = json.Take();
  return response;
}

Result<LedgerJudgement> ReadJudgement(const std::string& body) {
  QUIRE_TRY(const Json json, ParseJson(body));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(json));
  LedgerJudgement judgement;
  QUIRE_TRY(auto label, reader.String("label"));
  QUIRE_TRY(const auto score, reader.Number("score", {0, 1}));
  for (const std::string& name : reader.Unknown()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'" + name + "' is not known; an outcome has 'label' and 'score'", name);
  }
  judgement.label = std::move(label).value_or("");
  if (const Status fine = CheckLabel(judgement.label, "label"); !fine) {
    return std::unexpected(fine.error());
  }
  judgement.has_score = score.has_value();
  judgement.score = score.value_or(0);
  if (judgement.label.empty() && !score) {
    return Refuse(ErrorCode::kInvalidArgument, "an outcome needs a 'label', a 'score', or both",
                  "label");
  }
  return judgement;
}

HttpResponse Judge(Ledger& ledger, const HttpRequest& request, const std::string& id,
                   const Caller& caller) {
  const auto judgement = ReadJudgement(request.body);
  if (!judgement) return ToResponse(judgement.error(), 1);
  const auto found = ledger.Judge({caller.tenant, caller.generation, id}, *judgement);
  if (!found) return ToResponse({ErrorCode::kUnavailable, found.error().message, {}}, 1);
  if (!*found) {
    return ToResponse({ErrorCode::kNotFound,
                       "there is no request '" + id.substr(0, kMaxRequestIdBytes) +
                           "' in the ledger; it may not be over yet, or its row is gone",
                       "request_id"},
                      1);
  }
  JsonWriter json;
  json.BeginObject().Field("request_id", id).Key("label");
  judgement->label.empty() ? json.Null() : json.String(judgement->label);
  json.Key("score");
  judgement->has_score ? json.Number(judgement->score) : json.Null();
  json.EndObject();
  HttpResponse response;
  response.body = json.Take();
  return response;
}

}  // namespace

HttpResponse AnswerLedger(Ledger& ledger, const HttpRequest& request, const Caller& caller) {
  constexpr std::string_view kOutcome = "/outcome";
  const bool reads = request.method == "GET" || request.method == "HEAD";
  std::string_view rest = std::string_view(request.path).substr(kRoot.size());
  const char* allowed = "GET, HEAD";
  if (rest.empty()) {
    if (reads) return Rows(ledger, request, caller);
  } else if (rest == "/summary") {
    if (reads) return Sums(ledger, request, caller);
  } else if (rest.size() > 1 + kOutcome.size() && rest.ends_with(kOutcome)) {
    rest.remove_suffix(kOutcome.size());
    if (request.method == "POST") {
      return Judge(ledger, request, std::string(rest.substr(1)), caller);
    }
    allowed = "POST";
  } else {
    return ErrorResponse(404, "not_found",
                         "there is nothing at " + request.path.substr(0, 200) +
                             "; there are GET /v1/ledger, GET /v1/ledger/summary and POST "
                             "/v1/ledger/{request_id}/outcome");
  }
  HttpResponse response =
      ErrorResponse(405, "method_not_allowed",
                    request.method.substr(0, 32) + " is not allowed here; use " + allowed);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace quire
