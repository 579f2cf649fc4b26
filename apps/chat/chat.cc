// quire chat: a conversation in the terminal.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/Option.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/chat/chat_backend.h"
#include "apps/chat/interrupt.h"
#include "apps/chat/line_editor.h"
#include "apps/command.h"
#include "apps/exit_code.h"
#include "apps/flags/flag_values.h"
#include "text/utf8.h"

namespace quire {
namespace {

// What a model writes must not steer the terminal: control characters but line ends and tabs go.
std::string Harmless(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool c1 = byte == 0xC2 && at + 1 < text.size() &&
                    static_cast<unsigned char>(text[at + 1]) < 0xA0;  // U+0080 to U+009F
    if (c1) ++at;
    if (c1 || byte == 0x7F || (byte < 0x20 && byte != '\n' && byte != '\t')) continue;
    out += text[at];
  }
  return out;
}

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
    const char* no_colour = std::getenv("NO_COLOR");
    terminal_ = isatty(STDOUT_FILENO) != 0;
    colours_ = terminal_ && (no_colour == nullptr || *no_colour == '\0');
    conversations_.push_back(Fresh());
  }

  int Loop() {
    fmt::print("{} — /help for help\n", backend_.name());
    while (std::fflush(stdout) == 0) {
      const auto line = editor_.Read(Prompt());
      if (!line || *line == "/quit" || *line == "/exit") break;
      if (line->find_first_not_of(" \t") == std::string::npos) continue;
      if ((*line)[0] == '/') {
        RunCommand(*line);
      } else if (Status answered = Answer(*line); !answered) {
        fmt::print(stderr, "quire: {}\n", answered.error().message);
        failed_ = true;
      }
    }
    const int written = FinishOutput();
    return failed_ ? static_cast<int>(kExitFailed) : written;
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
    if (!IsValidUtf8(question)) {
      return Refuse(ErrorCode::kInvalidArgument, "the question is not UTF-8; ask it again");
    }
    current().messages.push_back({"user", question});
    const InterruptWatch watch;
    auto answer = backend_.Ask(current().messages, settings_, [&](std::string_view text) {
      fmt::print("{}", terminal_ ? Harmless(text) : std::string(text));
      return std::fflush(stdout) == 0 && !watch.interrupted();
    });
    if (!answer || answer->text.empty()) current().messages.pop_back();  // it can be asked again
    if (!answer) return std::unexpected(answer.error());
    fmt::print("\n");
    if (answer->cancelled) Dim("stopped");
    if (!answer->text.empty()) current().messages.push_back({"assistant", answer->text});
    // A server that was broken off did not get to say what it computed.
    if (answer->cancelled && answer->cached_tokens + answer->computed_tokens == 0) return {};
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
      Dim("forgotten");
    } else {
      Dim("no such command; /help lists them");
    }
  }

  ChatBackend& backend_;
  ChatSettings settings_;
  std::string system_;
  bool terminal_ = false;
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

std::string ApiKey(const ChatFlags& flags) {
  const char* usual = std::getenv("OPENAI_API_KEY");
  return flags.api_key.empty() && usual != nullptr ? usual : flags.api_key;
}

// Looks at the template before the weights are read.
Result<std::unique_ptr<ChatBackend>> StartLocal(const EngineFlags& flags) {
  QUIRE_TRY(const GgufFile file, GgufFile::Open(flags.model));
  if (Status can = CheckCanChat(file); !can) {
    return Refuse(ErrorCode::kUnsupported, can.error().message, "model");
  }
  return MakeLocalChat(flags);
}

int RunChat(const ChatFlags& flags) {
  if (flags.server.empty() == flags.engine.model.empty()) {
    return Fail({ErrorCode::kInvalidArgument,
                 "give either a model file or --server URL; see `quire chat --help`", ""},
                kExitUsage);
  }
  auto backend =
      flags.server.empty() ? StartLocal(flags.engine) : MakeRemoteChat(flags.server, ApiKey(flags));
  if (!backend) {
    if (!flags.server.empty()) return Fail(backend.error());
    // A model that loads but cannot chat is no model that cannot be loaded.
    return backend.error().code == ErrorCode::kUnsupported && backend.error().param == "model"
               ? Fail(backend.error(), kExitFailed)
               : FailToStart(backend.error());
  }
  return Chat(**backend, flags.settings, flags.system).Loop();
}

}  // namespace

Command AddChat(CLI::App& parent) {
  auto flags = std::make_shared<ChatFlags>();
  CLI::App* app = parent.add_subcommand("chat", "Talk to a model in the terminal.");
  app->footer(
      "Examples:\n"
      "  quire chat model.gguf\n"
      "  quire chat model.gguf --system 'Answer in one sentence.' --temperature 0\n"
      "  quire chat --server http://127.0.0.1:8080");
  app->add_option("MODEL.gguf", flags->engine.model, "the model; of a split one the first part");
  app->add_option("--server", flags->server, "talk to this server instead")->type_name("URL");
  app->add_option("--api-key", flags->api_key, "key for the server (default: $OPENAI_API_KEY)")
      ->type_name("KEY");
  app->add_option("--system", flags->system, "what the model is told first")->type_name("TEXT");
  Real(app->add_option("--temperature", flags->settings.temperature,
                       "0: always the likeliest token"),
       0, 2)
      ->default_str("0.7");
  Whole(app->add_option("--max-tokens", flags->settings.max_tokens,
                        "most tokens of an answer (default 0: the rest of the context)"),
        0, 1u << 24)
      ->capture_default_str();
  CLI::Option* seed = Whole(app->add_option("--seed", flags->settings.seed,
                                            "the same seed gives the same answers (default: "
                                            "drawn)"),
                            0, UINT64_MAX);
  AddModelFlags(*app, flags->engine);
  return {app, [flags, seed](const Settings&) {
            flags->settings.has_seed = seed->count() > 0;
            return RunChat(*flags);
          }};
}

}  // namespace quire
