#include "server/http/http_message.h"

#include <algorithm>
#include <ctime>

namespace quire {
namespace {

std::string_view Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Cancelled";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    case 529:
      return "Overloaded";
    default:
      return "Unknown";
  }
}

// "Mon, 02 Jan 2006 15:04:05 GMT"
std::string HttpDate() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char buffer[64];
  const size_t size = std::strftime(buffer, sizeof(buffer), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {buffer, size};
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void AppendHeader(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::optional<std::string> QueryValue(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view field = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const size_t equals = field.find('=');
    if (field.substr(0, equals) != name) continue;
    if (equals == std::string_view::npos) return std::string();
    return PercentDecode(field.substr(equals + 1));
  }
  return std::nullopt;
}

bool AcceptsGzip(std::string_view accepted) {
  while (!accepted.empty()) {
    const size_t end = std::min(accepted.find(','), accepted.size());
    std::string coding(accepted.substr(0, end));
    accepted.remove_prefix(std::min(end + 1, accepted.size()));
    std::erase(coding, ' ');
    const size_t parameters = std::min(coding.find(';'), coding.size());
    const std::string_view quality = std::string_view(coding).substr(parameters);
    const bool refused =
        quality.starts_with(";q=0") && quality.find_first_not_of("0.", 3) == std::string_view::npos;
    if (coding.substr(0, parameters) == "gzip") return !refused;
  }
  return false;
}

std::string FormatHead(const HttpResponse& response, const HeadOptions& options) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
  out.append(Reason(response.status)).append("\r\n");
  AppendHeader(out, "Server", "quire");
  AppendHeader(out, "Date", HttpDate());
  if (!options.request_id.empty()) {
    AppendHeader(out, "X-Request-Id", options.request_id);
    AppendHeader(out, "request-id", options.request_id);  // Anthropic's name for it
  }
  if (!options.traceparent.empty()) AppendHeader(out, "traceparent", options.traceparent);
  if (!options.cors_origin.empty()) {
    AppendHeader(out, "Access-Control-Allow-Origin", options.cors_origin);
  }
  if (options.cors_varies || !options.cors_origin.empty()) AppendHeader(out, "Vary", "Origin");
  for (const auto& [name, value] : response.headers) AppendHeader(out, name, value);
  const bool bodiless = response.status == 204 || response.status == 304;
  if (!bodiless) AppendHeader(out, "Content-Type", response.content_type);
  if (options.chunked) {
    AppendHeader(out, "Transfer-Encoding", "chunked");
  } else if (!options.until_close && !bodiless) {
    AppendHeader(out, "Content-Length", std::to_string(response.body.size()));
  }
  AppendHeader(out, "Connection", options.keep_alive ? "keep-alive" : "close");
  out += "\r\n";
  return out;
}

HttpResponse ErrorResponse(int status, std::string_view code, std::string message) {
  ApiError error;
  error.status = status;
  error.type = status >= 500 ? "server_error" : "invalid_request_error";
  error.code = code;
  error.message = std::move(message);
  HttpResponse response;
  response.status = status;
  response.body = ErrorBody(error);
  response.error = std::move(error);
  return response;
}

}  // namespace quire
