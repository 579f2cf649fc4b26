// server/levers/lever_pages.h -- /v1/levers: what is tried on the traffic, and how it goes.
//
//   GET  /v1/levers                all of levers.toml, and whether they run
//   GET  /v1/levers/{name}         both arms, side by side
//   POST /v1/levers/{name}/start   {}
//   POST /v1/levers/{name}/stop    {"why": "..."}
//
// For admins alone: figures are of all tenants.
//
// Threads  any; it waits for the disk.  Errors  as responses.
#pragma once

#include "lever/lever_board.h"
#include "server/http/http_message.h"

namespace quire {

HttpResponse AnswerLevers(LeverBoard& levers, const HttpRequest& request);

}  // namespace quire
