// server/http/cors_policy.h -- whose pages may use this server across origins.
//
//   --cors-origin ORIGIN   one that the operator names; "*": any
//   peers                  the address of each, as --peer gives it: its dashboard is there
//
// What is trusted is an origin as browsers write it. No cookie is ever asked for, so where a key is
// needed a page must have one.
//
// Threads  immutable: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quire {

class CorsPolicy {
 public:
  CorsPolicy() = default;
  // `addresses`: of peers; those without an origin (OriginOf) are passed over.
  CorsPolicy(std::string configured, const std::vector<std::string>& addresses);

  // The Access-Control-Allow-Origin of an answer to `origin`; empty: none. Lives as long as this.
  std::string_view AnswerTo(std::string_view origin) const;
  // Whether what it says depends on who asks, which caches must be told.
  bool varies() const { return !peers_.empty(); }

  // What pages of this server may connect to beside it, for a Content-Security-Policy: " ORIGIN"
  // of each peer. A policy has no way to write an address in brackets: those are left out.
  std::string ConnectSources() const;

 private:
  std::string configured_;
  std::vector<std::string> peers_;  // origins
};

// "HTTP://Host:80/path" -> "http://host": scheme, host in lower case, the port unless it is that of
// the scheme. nullopt for what is no http or https address, has a user, or a host or port of other
// characters than names and literal addresses have: nothing of it can end a header or a directive.
std::optional<std::string> OriginOf(std::string_view url);

}  // namespace quire
