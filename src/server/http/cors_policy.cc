#include "server/http/cors_policy.h"

#include <algorithm>
#include <boost/asio/ip/address_v6.hpp>
#include <charconv>
#include <cstdint>
#include <utility>

namespace quire {
namespace {

constexpr size_t kMostHostBytes = 253;  // of a name in DNS

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

// In lower case; of an address in brackets the one way to write it. Empty: it is no host.
std::string HostOf(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) {
    if (text.find('%') != std::string_view::npos) return {};  // a scope is this machine's own
    boost::system::error_code error;
    const auto address =
        boost::asio::ip::make_address_v6(std::string(text.substr(1, text.size() - 2)), error);
    return error ? std::string() : "[" + address.to_string() + "]";
  }
  std::string host(text.substr(0, kMostHostBytes + 1));
  std::ranges::transform(host, host.begin(), Lower);
  const bool fine = host.size() <= kMostHostBytes && std::ranges::all_of(host, IsNameCharacter);
  return fine ? host : std::string();
}

}  // namespace

std::optional<std::string> OriginOf(std::string_view url) {
  const size_t colon = url.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  std::string scheme(url.substr(0, colon));
  std::ranges::transform(scheme, scheme.begin(), Lower);
  if (scheme != "http" && scheme != "https") return std::nullopt;
  std::string_view authority = url.substr(colon + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  const size_t bracket = authority.rfind(']');
  const size_t port_at =
      authority.find(':', bracket == std::string_view::npos ? size_t{0} : bracket);
  const std::string host = HostOf(authority.substr(0, port_at));
  if (host.empty()) return std::nullopt;
  const uint16_t usual = scheme == "http" ? 80 : 443;
  uint16_t port = usual;
  if (port_at != std::string_view::npos && port_at + 1 < authority.size()) {
    const char* end = authority.data() + authority.size();
    const auto read = std::from_chars(authority.data() + port_at + 1, end, port);
    if (read.ec != std::errc() || read.ptr != end || port == 0) return std::nullopt;
  }
  std::string origin = scheme + "://" + host;
  if (port != usual) origin += ":" + std::to_string(port);
  return origin;
}

CorsPolicy::CorsPolicy(std::string configured, const std::vector<std::string>& addresses)
    : configured_(std::move(configured)) {
  for (const std::string& address : addresses) {
    if (auto origin = OriginOf(address)) peers_.push_back(*std::move(origin));
  }
}

std::string_view CorsPolicy::AnswerTo(std::string_view origin) const {
  const auto peer = std::ranges::find(peers_, origin);
  return peer == peers_.end() ? std::string_view(configured_) : std::string_view(*peer);
}

std::string CorsPolicy::ConnectSources() const {
  std::string sources;
  for (const std::string& origin : peers_) {
    if (origin.find('[') == std::string::npos) sources.append(" ").append(origin);
  }
  return sources;
}

}  // namespace quire
