// server/ledger/ledger_desk.h -- begins the row of a request from what its head says.
//
// Threads  the I/O thread, but for NoteLabelsOf.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/http/http_message.h"
#include "server/ledger/ledger_entry.h"
#include "server/ready_model.h"
#include "server/server.h"
#include "server/tenants/tenant_directory.h"

namespace quire {

// Labels and the name of a repeated request, as headers give them. kInvalidArgument naming it.
Status CheckLedgerHeaders(const HttpRequest& request);

// What the headers say goes before what is in the body.
void UseHeaderLabels(const HttpRequest& request, GenerationRequest& work);

// Null if there is no ledger and nothing is traced. `model` null: none is loaded yet; `api`:
// "chat/completions".
LedgerEntryPtr BeginEntry(const ServerOptions& options, const HttpRequest& request,
                          const Caller& caller, const ReadyModel* model, std::string api);

// Of a body that was refused: its labels, if they can be found without much work. Any thread.
void NoteLabelsOf(const std::string& body, LedgerEntry& entry);

}  // namespace quire
