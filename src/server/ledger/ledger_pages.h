// server/ledger/ledger_pages.h -- /v1/ledger: what requests cost, and what became of their answers.
//
//   GET  /v1/ledger                        rows, newest first, a page at a time
//   GET  /v1/ledger/summary                sums by route, version, tenant, ...
//   POST /v1/ledger/{request_id}/outcome   the user's judgement of an answer
//
// A tenant reads and judges its own; an admin reads all.
//
// Threads  any; it waits for the disk.  Errors  as responses.
#pragma once

#include "ledger/ledger.h"
#include "server/http/http_message.h"
#include "server/tenants/tenant_directory.h"

namespace quire {

HttpResponse AnswerLedger(Ledger& ledger, const HttpRequest& request, const Caller& caller);

}  // namespace quire
