#include "apps/trace_flags.h"

#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

#include "apps/flags/flag_values.h"
#include "server/openai/fresh_id.h"
#include "server/trace/trace_sender.h"

namespace quire {

void AddTraceFlags(CLI::App& app, TraceFlags& flags) {
  app.add_option("--trace-to", flags.to,
                 "where a trace of each request is exported to, as OTLP/JSON over HTTP, as in "
                 "http://localhost:4318/v1/traces (default: nowhere)")
      ->type_name("URL");
  Real(app.add_option("--trace-sample", flags.sample,
                      "share of the requests that are traced; of those that bring a traceparent, "
                      "those whose client says so"),
       0, 1)
      ->capture_default_str();
}

Status StartTraces(const TraceFlags& flags, ServerOptions& server) {
  if (flags.to.empty()) return {};
  auto url = CheckTraceUrl(flags.to);
  if (!url) return Refuse(url.error().code, "--trace-to: " + url.error().message, "trace-to");
  TraceSender::Options options;
  options.resource = {server.build.version, FreshId("")};
  options.log = [](std::string_view line) { spdlog::warn("{}", line); };
  server.traces = std::make_shared<TraceSender>(MakeTraceWire(*std::move(url)), std::move(options));
  server.trace_share = flags.sample;
  return {};
}

}  // namespace quire
