// server/dashboard/dashboard_files.h -- the built dashboard, as it lies in the binary.
//
// Files hold no data of anybody, so they are given to everybody: a browser has no key before its
// user has typed one into them.
//
// Threads  any.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "server/http/cors_policy.h"
#include "server/http/http_message.h"

namespace quire {

struct DashboardFile {
  std::string_view path;  // "/index.html"
  std::string_view content_type;
  std::string_view etag;  // in quotes
  std::string_view bytes;
  std::string_view gzipped;
};

extern const std::span<const DashboardFile> kDashboardFiles;  // of dashboard/dist, by path

// The answer to a GET of "/" or a file; nullopt if there is none. 304 if the client has it already.
// `cors`: its peers are what the page may connect to beside this server.
std::optional<HttpResponse> ServeDashboard(const HttpRequest& request, const CorsPolicy& cors);

}  // namespace quire
