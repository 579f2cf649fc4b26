#include "server/http/trusted_origin.h"

#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/string.hpp>

namespace quire {

namespace ip = boost::asio::ip;

namespace {

// "localhost:8080" -> "localhost", "[::1]:80" -> "::1".
std::string_view WithoutPort(std::string_view authority) {
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    return end == std::string_view::npos ? std::string_view() : authority.substr(1, end - 1);
  }
  return authority.substr(0, authority.find(':'));
}

// For a message: JSON wants UTF-8, and headers may hold anything.
std::string Printable(std::string_view text) {
  std::string out(text.substr(0, 200));
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

bool IsLoopbackOrigin(std::string_view origin) {
  const size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && IsLoopbackName(origin.substr(scheme + 3));
}

bool IsOwnOrigin(const HttpRequest& request) {
  const size_t scheme = request.origin.find("://");
  return scheme != std::string::npos && !request.host.empty() &&
         boost::beast::iequals(request.origin.substr(scheme + 3), request.host);
}

}  // namespace

bool IsLoopbackName(std::string_view authority) {
  const std::string_view name = WithoutPort(authority);
  if (boost::beast::iequals(name, "localhost")) return true;
  // A literal, not a name that begins like one.
  boost::system::error_code error;
  const ip::address address = ip::make_address(std::string(name), error);
  return !error && address.is_loopback();
}

std::optional<HttpResponse> RefuseStrangers(const HttpRequest& request, const TrustedNames& names) {
  const bool ours = names.any_host || request.host.empty() || IsLoopbackName(request.host) ||
                    boost::beast::iequals(WithoutPort(request.host), names.host);
  if (!ours) {
    return ErrorResponse(403, "foreign_host",
                         "this server answers to localhost only, not to '" +
                             Printable(request.host) +
                             "'; ask for it by localhost or 127.0.0.1, or start it with --host "
                             "NAME, or with --insecure to answer to any name");
  }
  if (request.method != "POST" || request.origin.empty()) return {};
  const std::string_view allowed = names.cors.AnswerTo(request.origin);
  if (allowed == "*" || allowed == request.origin) return {};
  if (IsLoopbackOrigin(request.origin)) return {};
  if (names.needs_key && IsOwnOrigin(request)) return {};
  return ErrorResponse(403, "foreign_origin",
                       "pages from '" + Printable(request.origin) +
                           "' may not use this server; --cors-origin allows one");
}

}  // namespace quire
