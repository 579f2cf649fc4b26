// server/http/http_message.h -- one request as handlers see it, one response as they give it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/openai/error_body.h"

namespace quire {

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // percent-decoded, without the query
  std::string query;   // as sent, without "?"
  std::string host;    // the Host header, with the port
  std::string origin;  // the Origin header of a browser, else empty
  // What a client proves itself with: `Authorization: Bearer KEY` and `x-api-key: KEY`.
  std::vector<std::string> keys;
  std::string session;  // X-Quire-Session: what the client calls its conversation
  std::string accept;   // the Accept header
  std::string route;    // X-Quire-Route, X-Quire-Version: labels of the ledger
  std::string version;
  std::string retry_of;     // X-Quire-Retry-Of: the id of the request that this one repeats
  std::string traceparent;  // the header, if there is exactly one
  std::string body;
  std::string request_id;     // the client's X-Request-Id if it is harmless, else a fresh one
  std::string if_none_match;  // the header; empty: none
  bool accepts_gzip = false;
  bool keep_alive = true;  // the client's wish
  bool http_1_1 = true;    // chunked transfer coding is understood
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // further ones
  // Set if this is an error: what `body` says, for APIs that say it otherwise.
  std::optional<ApiError> error;
};

// The value of `name` in a query string, percent-decoded.
std::optional<std::string> QueryValue(std::string_view query, std::string_view name);

// "%41" -> "A"; nullopt if an escape is broken.
std::optional<std::string> PercentDecode(std::string_view text);

// Whether an Accept-Encoding header allows gzip.
bool AcceptsGzip(std::string_view accepted);

// What a head needs beyond the response itself.
struct HeadOptions {
  std::string_view request_id;
  std::string_view traceparent;  // empty: none
  std::string_view cors_origin;  // empty: no CORS
  bool cors_varies = false;      // another origin would be told otherwise
  bool keep_alive = true;
  bool chunked = false;  // body follows in chunks; else Content-Length is that of `body`
  bool until_close = false;
};

// Status line and headers, up to and including the empty line.
std::string FormatHead(const HttpResponse& response, const HeadOptions& options);

// An error response of the server itself.
HttpResponse ErrorResponse(int status, std::string_view code, std::string message);

}  // namespace quire
