// quire chat: a conversation in the terminal.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/chat_backend.h"
#include "apps/command.h"
#include "apps/exit_code.h"
#include "apps/line_editor.h"

namespace quire {
namespace {

std::atomic<bool> interrupted{false};
void OnInterrupt(int) { interrupted.store(true); }

constexpr const char* kHelp =
    "  /help          this list\n"
    "  /tokens        what the last answer read from memory and what it computed\n"
    "  /save FILE     write the conversation as JSON\n"
    "  /fork          go on in a copy; the original stays as it is\n"
    "  /switch N      go to conversation N\n"
    "  /clear         forget this conversation\n"
    "  /quit          leave (so does Ctrl-D); Ctrl-C stops an answer\n"
    "  A line that ends in \\ goes on in the next one.\n";

struct Conversation {
  std::vector<ChatMessage> messages;
  std::optional<ChatAnswer> last;
};

class Chat {
 public:
  Chat(ChatBackend& backend, ChatSettings settings, std::string system)
      : backend_(backend), settings_(settings), system_(std::move(system)) {
    colours_ = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    conversations_.push_back(Fresh());
  }

  int Loop() {
    fmt::print("{} — /help for help\n", backend_.name());
    while (true) {
      const auto line = editor_.Read(Prompt());
      if (!line || *line == "/quit" || *line == "/exit") break;
      if (line->empty()) continue;
      if ((*line)[0] == '/') {
        RunCommand(*line);
      } else if (Status answered = Answer(*line); !answered) {
        fmt::print(stderr, "quire: {}\n", answered.error().message);
        failed_ = true;
      }
    }
    return failed_ ? kExitFailed : kExitFine;
  }

 private:
  Conversation Fresh() const {
    Conversation fresh;
    if (!system_.empty()) fresh.messages.push_back({"system", system_});
    return fresh;
  }

  Conversation& current() { return conversations_[current_]; }

  std::string Prompt() const {
    return conversations_.size() > 1 ? fmt::format("{}> ", current_ + 1) : "> ";
  }

  void Dim(const std::string& text) const {
    fmt::print("{}{}{}\n", colours_ ? "\x1b[2m" : "", text, colours_ ? "\x1b[0m" : "");
  }

  void ShowTokens() {
    if (!current().last) return Dim("no answer yet");
    const ChatAnswer& last = *current().last;
    Dim(fmt::format("[{} cached + {} computed in {:.0f} ms, {} generated at {:.1f} ms each]",
                    last.cached_tokens, last.computed_tokens, last.ttft_ms, last.generated_tokens,
                    last.decode_ms_per_token));
  }

  Status Answer(const std::string& question) {
    current().messages.push_back({"user", question});
    interrupted.store(false);
    const auto previous = std::signal(SIGINT, OnInterrupt);
    auto answer = backend_.Ask(current().messages, settings_, [](std::string_view text) {
      fmt::print("{}", text);
      std::fflush(stdout);
      return !interrupted.load();
    });
    std::signal(SIGINT, previous);
    fmt::print("\n");
    if (!answer) {
      current().messages.pop_back();  // so that the question can be asked again
      return std::unexpected(answer.error());
    }
    current().messages.push_back({"assistant", answer->text});
    current().last = *std::move(answer);
    ShowTokens();
    return {};
  }

  void Save(const std::string& path) {
    nlohmann::ordered_json out;
    out["messages"] = nlohmann::ordered_json::array();
    for (const ChatMessage& message : current().messages) {
      out["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
    std::ofstream file(path);
    file << out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
    file.close();
    Dim(file ? "saved to " + path : "cannot write " + path);
  }

  void Switch(const std::string& number) {
    const size_t index = std::strtoul(number.c_str(), nullptr, 10);
    if (index < 1 || index > conversations_.size()) {
      return Dim(fmt::format("there are conversations 1 to {}", conversations_.size()));
    }
    current_ = index - 1;
    Dim(fmt::format("conversation {}, {} messages", index, current().messages.size()));
  }

  void RunCommand(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string argument = space == std::string::npos ? "" : line.substr(space + 1);
    if (name == "/help") {
      fmt::print("{}", kHelp);
    } else if (name == "/tokens") {
      ShowTokens();
    } else if (name == "/save") {
      argument.empty() ? Dim("usage: /save FILE") : Save(argument);
    } else if (name == "/fork") {
      conversations_.push_back(current());
      current_ = conversations_.size() - 1;
      Dim(fmt::format("now in conversation {}; its memory is shared with the original",
                      current_ + 1));
    } else if (name == "/switch") {
      Switch(argument);
    } else if (name == "/clear") {
      current() = Fresh();
    } else {
      Dim("no such command; /help lists them");
    }
  }

  ChatBackend& backend_;
  ChatSettings settings_;
  std::string system_;
  bool colours_ = false;
  bool failed_ = false;
  LineEditor editor_;
  std::vector<Conversation> conversations_;
  size_t current_ = 0;
};

struct ChatFlags {
  EngineFlags engine;
  std::string server;
  std::string api_key;
  std::string system;
  ChatSettings settings;
};

int RunChat(const ChatFlags& flags) {
  if (flags.server.empty() == flags.engine.model.empty()) {
    return Fail({ErrorCode::kInvalidArgument,
                 "give either a model file or --server URL; see `quire chat --help`", ""},
                kExitUsage);
  }
  std::unique_ptr<ChatBackend> backend;
  if (!flags.server.empty()) {
    backend = MakeRemoteChat(flags.server, flags.api_key);
  } else {
    auto local = MakeLocalChat(flags.engine);
    if (!local) return Fail(local.error(), kExitModel);
    backend = *std::move(local);
  }
  return Chat(*backend, flags.settings, flags.system).Loop();
}

}  // namespace

Command AddChat(CLI::App& parent) {
  auto flags = std::make_shared<ChatFlags>();
  CLI::App* app = parent.add_subcommand("chat",
                                        "Talk to a model in the terminal.\n\n"
                                        "Examples:\n"
                                        "  quire chat model.gguf\n"
                                        "  quire chat --server http://127.0.0.1:8080");
  app->add_option("model", flags->engine.model, "GGUF file")->type_name("MODEL.gguf");
  app->add_option("--server", flags->server, "talk to this server instead")->type_name("URL");
  app->add_option("--api-key", flags->api_key, "key for the server")->envname("OPENAI_API_KEY");
  app->add_option("--system", flags->system, "what the model is told first");
  app->add_option("--temperature", flags->settings.temperature, "0: always the likeliest token")
      ->check(CLI::Range(0.0f, 2.0f))
      ->capture_default_str();
  app->add_option("--max-tokens", flags->settings.max_tokens,
                  "most tokens of an answer; 0: the rest of the context")
      ->capture_default_str();
  CLI::Option* seed =
      app->add_option("--seed", flags->settings.seed, "the same seed gives the same answers");
  AddModelFlags(*app, flags->engine);
  return {app, [flags, seed] {
            flags->settings.has_seed = seed->count() > 0;
            return RunChat(*flags);
          }};
}

}  // namespace quire
