// server/generation.h -- sees one request through the engine and its answer to the client.
//
// Whatever ends it early -- the client leaves, stops reading, the server is told to stop, an
// exception -- the engine is told at once, so that its blocks are free with the next step.
//
// Threads  the I/O thread; the engine wakes it through its EventQueues.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>

#include "server/http/exchange.h"
#include "server/ledger/ledger_entry.h"
#include "server/prepare.h"
#include "server/running_requests.h"
#include "server/server_metrics.h"

namespace quire {

class Engine;

struct GenerationContext {
  Engine& engine;
  ServerMetrics& metrics;
  int stall_seconds = 30;  // for the message
  // Keeps the answer, before its end is told to the client; an error is told instead.
  std::function<boost::asio::awaitable<Status>()> settle = {};
  LedgerEntryPtr entry = {};           // is told what happens
  RunningRequests* running = nullptr;  // knows it, so that others can end it; null: nobody does
};

// Submits, streams or collects, and answers; returns how it ended.
boost::asio::awaitable<Outcome> Generate(Exchange& exchange, GenerationContext context,
                                         PreparedGeneration prepared);

}  // namespace quire
