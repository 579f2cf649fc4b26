// server/server.h -- Quire's face to the network: OpenAI's API over HTTP/1.1.
//
//   Listen --SetReady--> ready --Stop--> draining --(answers done, or drain_seconds)--> Run returns
//     |                                     ^
//     +---------------- Stop ---------------+
//
// It listens before there is a model: until SetReady, /health says 503 and work is refused.
//
// Threads  Run occupies the calling thread and is called once; all sockets live on it. A few more
//          threads parse, render and tokenise. SetReady, SetTenants, Stop and port: any
//          thread (not from a signal handler).
// Errors   Listen: kAddressInUse; kInvalidArgument for an address that does not exist, or one that
//          others can reach without `insecure` or `tenants`.
// Bounds   connections, header and body bytes, bodies held at once, and time without progress, all
//          in ServerOptions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "reply/reply_format.h"
#include "server/peers/peer_directory.h"
#include "server/tenants/tenants_file.h"

namespace quire {

class ChatTemplate;
class Engine;
class Ledger;
class LeverBoard;
class SessionStore;
class Tokenizer;
class TraceSender;

// What GET /version and / say about this binary.
struct BuildInfo {
  std::string version = "0.1.0";
  std::string build;  // commit or date, compiler
};

struct ServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;   // 0: any free one
  bool insecure = false;  // may listen where other machines can reach it
  // Who may use it, with which key; empty: everybody who reaches it, as one tenant "default".
  std::optional<TenantsFile> tenants;
  // Names under which the model answers, the first is the one it calls itself. "*": any name.
  std::vector<std::string> model_names;
  // In which way the model writes tool calls; empty: as its chat template teaches.
  std::optional<ReplyFormat> reply_format;
  // Where conversations are kept; null: nowhere, and why.
  std::shared_ptr<SessionStore> sessions;
  std::string session_secret;  // signs exported sessions
  std::string no_sessions_reason;
  // Where a row of each request is written down; null: nowhere, and why.
  std::shared_ptr<Ledger> ledger;
  std::string no_ledger_reason;
  // What is tried on a share of the traffic; null: nothing. Only with a ledger.
  std::shared_ptr<LeverBoard> levers;
  // Where traces of requests are exported to; null: nowhere. Of those that no client has begun, so
  // large a share.
  std::shared_ptr<TraceSender> traces;
  double trace_share = 1;
  PeerDirectory peers;  // servers that sessions may be handed to, and come from
  BuildInfo build;
  std::string cors_origin;  // sent as Access-Control-Allow-Origin; empty: no CORS at all

  uint32_t max_connections = 4096;  // less if the process may not open that many files
  size_t max_header_bytes = size_t{16} << 10;
  size_t max_body_bytes = size_t{32} << 20;
  size_t max_buffered_body_bytes = size_t{256} << 20;  // of all connections together
  uint32_t parse_threads = 2;

  int header_timeout_seconds = 10;  // for a whole header; without progress inside a body
  int idle_timeout_seconds = 75;    // between two requests of a connection
  int stall_seconds = 30;           // a client that stops reading its answer for this long is cut
  int drain_seconds = 10;           // what running answers get after Stop

  std::function<void(std::string_view)> log;  // one line per failure of the server; any thread
};

// For POST /v1/attention: what each token of a text of at most `most_tokens` looks at in a layer.
struct AttentionSight {
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t most_tokens = 0;
  // [head][token][token looked at]; any thread, others wait. Empty, once `in_vain` says that nobody
  // wants it any more. Null: it is not shown.
  using InVain = std::function<bool()>;
  std::function<std::vector<float>(std::span<const TokenId> tokens, uint32_t layer,
                                   const InVain& in_vain)>
      look = nullptr;
};

// A model ready to serve.
struct ServedModel {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;  // null: chat refuses, completions work
  std::string chat_template_error;                    // why it is null, if the file has one
  // The JSON of GET /v1/plan for its query; any thread. Null: there is no plan.
  std::function<Result<std::string>(const std::string& query)> plan = nullptr;
  AttentionSight attention = {};
};

class Server {
 public:
  static Result<std::unique_ptr<Server>> Listen(ServerOptions options);
  ~Server();  // after Run returned, or without Run
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:8080"

  void SetReady(ServedModel model);
  // Other tenants from now on, or the same with other limits: requests that run go on. `done`
  // hears, on the I/O thread, whether it could be: if not, the old ones stay. Only with `tenants`
  // before.
  void SetTenants(TenantsFile tenants, std::function<void(const Status&)> done);
  void Run();
  // Drains; called again, it cuts running answers off at once. The engine may be destroyed after
  // Run has returned.
  void Stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quire
