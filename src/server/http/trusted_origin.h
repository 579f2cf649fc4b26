// server/http/trusted_origin.h -- whether a web page of a stranger may be behind a request.
//
// A server on loopback has no keys, and every page open in a browser of this machine can send
// requests to it: by a name of its own that resolves to 127.0.0.1, or across origins. Browsers
// tell in Host and Origin; other clients have no reason to lie there.
//
// Threads  any.
#pragma once

#include <optional>
#include <string_view>

#include "server/http/cors_policy.h"
#include "server/http/http_message.h"

namespace quire {

struct TrustedNames {
  std::string_view host;   // what we listen on
  const CorsPolicy& cors;  // whose pages may use us
  bool any_host = false;   // others may reach us, by whatever name
  bool needs_key = false;  // who has none gets nothing anyway
};

// Host must be loopback or ours; the Origin of a POST, if any, loopback, the configured one or that
// of a peer, or, where a key is needed, that of our own pages: the one that Host names.
// The response (403) if not.
std::optional<HttpResponse> RefuseStrangers(const HttpRequest& request, const TrustedNames& names);

// "localhost", "127.0.0.1:8080", "[::1]:80": with any port or none.
bool IsLoopbackName(std::string_view authority);

}  // namespace quire
