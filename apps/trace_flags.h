// apps/trace_flags.h -- the flags that say where traces of requests go, and starting to send them.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "base/result.h"
#include "server/server.h"

namespace quire {

struct TraceFlags {
  std::string to;  // URL; empty: nothing is traced
  double sample = 1;
};

void AddTraceFlags(CLI::App& app, TraceFlags& flags);

// Sets ServerOptions::traces and trace_share. kInvalidArgument for an address that is none.
Status StartTraces(const TraceFlags& flags, ServerOptions& server);

}  // namespace quire
