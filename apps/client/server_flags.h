// apps/client/server_flags.h -- which server a command speaks to, and with which key.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace quire {

struct ServerFlags {
  std::string url = "http://127.0.0.1:8080";
  std::string api_key;
};

// --server (or --url) and --api-key. QUIRE_SERVER and OPENAI_API_KEY stand in for them: a key on a
// command line is seen by everybody who lists processes.
void AddServerFlags(CLI::App& app, ServerFlags& flags);

// As it was given, but without slashes at its end and the "/v1" that OpenAI's clients put there.
std::string BaseUrl(std::string url);

}  // namespace quire
