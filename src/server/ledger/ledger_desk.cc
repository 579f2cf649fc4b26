#include "server/ledger/ledger_desk.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "server/openai/json_input.h"
#include "server/openai/request_labels.h"

namespace quire {
namespace {

constexpr size_t kMostBodyBytes = size_t{256} << 10;  // that are parsed again after a refusal

constexpr const char* kRouteHeader = "X-Quire-Route";
constexpr const char* kVersionHeader = "X-Quire-Version";
constexpr const char* kRetryHeader = "X-Quire-Retry-Of";

// What is not right is not kept: the request is refused for it.
std::string IfFine(const std::string& text, const Status& fine) {
  return fine ? text : std::string();
}

}  // namespace

Status CheckLedgerHeaders(const HttpRequest& request) {
  if (const Status fine = CheckLabel(request.route, kRouteHeader); !fine) return fine;
  if (const Status fine = CheckLabel(request.version, kVersionHeader); !fine) return fine;
  return CheckRequestId(request.retry_of, kRetryHeader);
}

void UseHeaderLabels(const HttpRequest& request, GenerationRequest& work) {
  if (!request.route.empty()) work.route = request.route;
  if (!request.version.empty()) work.version = request.version;
}

LedgerEntryPtr BeginEntry(const ServerOptions& options, const HttpRequest& request,
                          const Caller& caller, const ReadyModel* model, std::string api) {
  LedgerEntry::Books books{options.ledger, options.levers, options.traces};
  if (books.ledger == nullptr && books.traces == nullptr) return nullptr;
  if (books.traces != nullptr) {
    books.context = BeginTrace(request.traceparent, options.trace_share);
  }
  LedgerRow row;
  row.request_id = request.request_id;
  row.tenant = caller.tenant;
  row.generation = caller.generation;
  row.started_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  row.api = std::move(api);
  if (model != nullptr) {
    row.model = model->names.front();
    row.numerics = model->engine->numerics();
  }
  row.route = IfFine(request.route, CheckLabel(request.route, {}));
  row.version = IfFine(request.version, CheckLabel(request.version, {}));
  row.retry_of = IfFine(request.retry_of, CheckRequestId(request.retry_of, {}));
  return std::make_shared<LedgerEntry>(std::move(books), std::move(row));
}

void NoteLabelsOf(const std::string& body, LedgerEntry& entry) {
  if (body.size() > kMostBodyBytes) return;
  const auto json = ParseJson(body);
  if (!json || !json->is_object() || !json->contains("metadata")) return;
  const auto labels = ReadLabels((*json)["metadata"]);
  if (labels) entry.NoteLabels(labels->route, labels->version);
}

}  // namespace quire
