#include "apps/client/server_flags.h"

#include <CLI/Option.hpp>
#include <string_view>

namespace quire {

void AddServerFlags(CLI::App& app, ServerFlags& flags) {
  app.add_option("--server,--url", flags.url, "address of the server")
      ->type_name("URL")
      ->envname("QUIRE_SERVER")
      ->capture_default_str();
  app.add_option("--api-key", flags.api_key, "key, where the server asks for one")
      ->type_name("KEY")
      ->envname("OPENAI_API_KEY");
}

std::string BaseUrl(std::string url) {
  constexpr std::string_view kVersion = "/v1";
  while (url.ends_with('/')) url.pop_back();
  if (url.ends_with(kVersion)) url.resize(url.size() - kVersion.size());
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace quire
