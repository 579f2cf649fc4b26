// A whole server in this process, whose allocations fail at random on every thread of its own. Each
// request ends, by an answer, a refusal or a closed connection; what was answered is right; the
// server lives, holds nothing afterwards, and gives the next request the same answer as ever.
#include "server/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/worker_pool.h"
#include "engine/engine.h"
#include "gguf/gguf_file.h"
#include "model/model.h"
#include "server/tenants/tenant_directory.h"
#include "tests/memory/failing_malloc.h"
#include "tests/memory/spare.h"
#include "tests/support/tiny_model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

using test::Fail;
using test::Failures;
using test::StopFailing;

constexpr uint32_t kBlocks = 64;
constexpr int kPatienceSeconds = 60;

ServedModel LoadTiny() {
  static const std::vector<std::byte> bytes = test::MakeTinyModel({.context = 512});
  auto file = std::make_shared<GgufFile>(std::move(*GgufFile::Parse(bytes)));
  WorkerPool loading(1);
  const std::shared_ptr<const Model> model = std::move(*Model::Load(file, {}, loading));
  const std::shared_ptr<const Tokenizer> tokenizer = std::move(*Tokenizer::Create(*file));
  EngineOptions options;
  options.kv_memory_bytes = kBlocks * model->kv_shape(KvFormat::kF16).block_bytes();
  options.max_sequences = 8;
  auto engine = Engine::Create(options, model, tokenizer, std::make_unique<WorkerPool>(2));
  EXPECT_TRUE(engine) << engine.error().message;
  auto parsed = ChatTemplate::Parse(
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>");
  EXPECT_TRUE(parsed) << parsed.error().message;
  return {
      std::move(*engine), tokenizer, std::make_shared<const ChatTemplate>(std::move(*parsed)), {}};
}

// All that comes until the server closes.
std::string Ask(uint16_t port, const std::string& request) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  timeval patience{kPatienceSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) == ssize_t(request.size())) {
    char piece[4096];
    ssize_t size = 0;
    do {  // io_uring, used on this thread before, may interrupt what waits
      size = recv(fd, piece, sizeof(piece), 0);
      if (size > 0) answer.append(piece, size_t(size));
    } while (size > 0 || (size < 0 && errno == EINTR));
    EXPECT_FALSE(size < 0 && errno == EAGAIN) << "a request hangs: " << request << "\n" << answer;
  }
  close(fd);
  return answer;
}

std::string Post(const std::string& path, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" +
         "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::string Get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
}

// Whose answer is the same each time.
const std::string kPlain = Post(
    "/v1/completions",
    R"({"prompt": "what was read once, is not read again", "max_tokens": 12, "temperature": 0,)"
    R"( "ignore_eos": true, "return_logit_hash": true})");

std::vector<std::string> Requests() {
  const std::string many(3000, '7');
  return {
      kPlain,
      Post("/v1/completions", R"({"prompt": "abc", "max_tokens": 20, "n": 3, "seed": 1,)"
                              R"( "stream": true, "logprobs": 3, "repetition_penalty": 1.3})"),
      Post("/v1/completions", R"({"prompt": ["one", "two"], "max_tokens": 5, "echo": true,)"
                              R"( "logprobs": 2, "stop": ["x", "y"]})"),
      Post("/v1/chat/completions",
           R"({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 15,)"
           R"( "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema":)"
           R"( {"type": "object", "properties": {"a": {"type": "integer"}}}}}})"),
      Post("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "hi"}],)"
                                   R"( "max_tokens": 10, "stream": true, "tools": [{"type":)"
                                   R"( "function", "function": {"name": "f"}}]})"),
      Post("/v1/messages",
           R"({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 10})"),
      Post("/v1/responses", R"({"input": "hi", "max_output_tokens": 10, "stream": true})"),
      Post("/tokenize", R"({"content": "some words to be cut into pieces"})"),
      Post("/v1/completions", R"({"prompt": [)" + many + "]}"),
      Post("/v1/completions", R"({"prompt": ")" + many),
      Get("/metrics"),
      Get("/v1/cache"),
      Get("/v1/models"),
      Get("/nothing"),
  };
}

std::string Field(const std::string& answer, const std::string& name) {
  const size_t at = answer.find("\"" + name + "\":");
  return at == std::string::npos ? "" : answer.substr(at, answer.find_first_of(",}", at) - at);
}

class OutOfMemoryServer : public ::testing::Test {
 protected:
  OutOfMemoryServer() {
    test::KeepSpare();
    ServerOptions options;
    options.port = 0;
    options.log = [](std::string_view) {};
    server_ = std::move(*Server::Listen(std::move(options)));
    ServedModel model = LoadTiny();
    engine_ = model.engine;
    thread_ = std::thread([this] { server_->Run(); });
    server_->SetReady(std::move(model));
    while (!Ask(server_->port(), Get("/health")).starts_with("HTTP/1.1 200")) usleep(1000);
    const std::string answer = Ask(server_->port(), kPlain);
    expected_ = Field(answer, "logit_hash");
    EXPECT_FALSE(expected_.empty()) << answer;
  }
  ~OutOfMemoryServer() override {
    server_->Stop();
    thread_.join();
  }

  // Some of all kinds at once.
  void Crowd(uint64_t seed) {
    const std::vector<std::string> requests = Requests();
    std::vector<std::thread> clients;
    for (uint64_t i = 0; i < 3; ++i) {
      clients.emplace_back([this, &requests, seed, i] {
        const test::Spared spared;
        std::mt19937_64 random(seed * 31 + i);
        for (int n = 0; n < 3; ++n) {
          const std::string& request = requests[random() % requests.size()];
          Check(request, Ask(server_->port(), request));
        }
      });
    }
    for (std::thread& client : clients) client.join();
  }

  void Check(const std::string& request, const std::string& answer) {
    if (answer.empty()) return;
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 ")) << answer;
    const std::string status = answer.substr(9, 3);
    statuses_.insert(status);
    static const std::set<std::string> kProper = {"200", "400", "404", "413",
                                                  "429", "500", "503", "529"};
    EXPECT_TRUE(kProper.contains(status)) << request << "\n" << answer;
    if (request == kPlain && status == "200") {
      EXPECT_EQ(Field(answer, "logit_hash"), expected_);
    }
  }

  // Memory is there again: everything is as it was.
  void CheckHealthy() {
    for (int i = 0; i < 2000 && !(engine_->idle() && engine_->stats().live_blocks == 0); ++i) {
      usleep(5000);
    }
    EXPECT_EQ(engine_->stats().live_blocks, 0u);
    EXPECT_EQ(engine_->stats().running + engine_->stats().waiting, 0u);
    const std::string answer = Ask(server_->port(), kPlain);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
    EXPECT_EQ(Field(answer, "logit_hash"), expected_);
  }

  const test::Spared spared_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<Engine> engine_;
  std::thread thread_;
  std::string expected_;
  std::mutex mutex_;
  std::multiset<std::string> statuses_;
};

TEST_F(OutOfMemoryServer, LivesWhenAllocationsFailHereAndThere) {
  const uint64_t before = test::num_failed();
  std::mt19937 random(1);
  for (uint64_t seed = 1; seed <= 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Fail({.seed = seed, .one_in = 1 + static_cast<uint32_t>(random() % (1u << random() % 12))});
    Crowd(seed);
    StopFailing();
    CheckHealthy();
  }
  EXPECT_GT(test::num_failed() - before, 2000u);
  EXPECT_GT(statuses_.count("503"), 20u);
  EXPECT_GT(statuses_.count("200"), 20u);
}

TEST_F(OutOfMemoryServer, LivesWhenOnlyLargeAllocationsFail) {
  for (uint64_t seed = 1; seed <= 30 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Fail({.seed = seed, .one_in = 1, .least_bytes = size_t{64} << seed % 10});
    Crowd(seed);
    StopFailing();
    CheckHealthy();
  }
}

}  // namespace
}  // namespace quire
