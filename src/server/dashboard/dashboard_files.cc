#include "server/dashboard/dashboard_files.h"

#include <algorithm>

namespace quire {
namespace {

// Nothing from elsewhere, nothing inline, no frame around it; `sources` may be asked beside us.
std::string PolicyWith(const std::string& sources) {
  return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
         "connect-src 'self'" +
         sources + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

// Names of files below it contain a hash of what is in them.
constexpr std::string_view kHashed = "/assets/";

}  // namespace

std::optional<HttpResponse> ServeDashboard(const HttpRequest& request, const CorsPolicy& cors) {
  std::string_view path = request.path;
  if (path == "/") path = "/index.html";
  const auto file = std::ranges::find(kDashboardFiles, path, &DashboardFile::path);
  if (file == kDashboardFiles.end()) return std::nullopt;
  HttpResponse response;
  response.content_type = file->content_type;
  auto& headers = response.headers;
  const std::string sources = cors.ConnectSources();
  // The policy of a page that names peers is that of this start; a copy would bring its own along.
  const bool keeps = sources.empty() || path != "/index.html";
  if (keeps) headers.emplace_back("ETag", file->etag);
  headers.emplace_back("Vary", "Accept-Encoding");
  headers.emplace_back("Cache-Control", path.starts_with(kHashed)
                                            ? "public, max-age=31536000, immutable"
                                        : keeps ? "no-cache"
                                                : "no-store");
  headers.emplace_back("Content-Security-Policy", PolicyWith(sources));
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  headers.emplace_back("Referrer-Policy", "no-referrer");
  headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  if (keeps && request.if_none_match.find(file->etag) != std::string::npos) {
    response.status = 304;
  } else if (request.accepts_gzip) {
    headers.emplace_back("Content-Encoding", "gzip");
    response.body = file->gzipped;
  } else {
    response.body = file->bytes;
  }
  return response;
}

}  // namespace quire
