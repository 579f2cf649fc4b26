// A listener with handlers of its own, driven by blocking sockets from the test's thread.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <optional>
#include <thread>

#include "server/http/listener.h"
#include "server/http/trusted_origin.h"

namespace quire {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer = 0) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    timeval timeout{5, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  }
  ~Client() { Close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(std::string_view text) {
    EXPECT_EQ(send(fd_, text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size()));
  }
  std::string Receive(size_t most = 65536) {
    std::string buffer(most, 0);
    const ssize_t size = recv(fd_, buffer.data(), most, 0);
    return buffer.substr(0, size > 0 ? static_cast<size_t>(size) : 0);
  }
  std::string ReceiveAll() {
    std::string all;
    for (std::string piece = Receive(); !piece.empty(); piece = Receive()) all += piece;
    return all;
  }
  void FinishSending() { shutdown(fd_, SHUT_WR); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

size_t Count(const std::string& text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

// The body of a chunked response; nullopt if its framing is broken.
std::optional<std::string> Unchunk(const std::string& response) {
  std::string body;
  size_t at = response.find("\r\n\r\n") + 4;
  for (;;) {
    const size_t size = std::strtoul(response.c_str() + at, nullptr, 16);
    const size_t begin = response.find("\r\n", at);
    if (begin == std::string::npos || begin + 4 + size > response.size()) return std::nullopt;
    if (response.compare(begin + 2 + size, 2, "\r\n") != 0) return std::nullopt;
    if (size == 0) return body;
    body += response.substr(begin + 2, size);
    at = begin + 4 + size;
  }
}

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    limits_.max_body_bytes = 100'000;
    limits_.header_timeout = 300ms;
    limits_.body_pause = 300ms;
    limits_.idle_timeout = 600ms;
    limits_.write_stall = 300ms;
  }
  ~HttpServerTest() override {
    if (!thread_.joinable()) return;
    Stop(0ms);
    thread_.join();
  }

  void Start() {
    HttpService service;
    service.limits = limits_;
    service.handler = [this](Exchange& exchange) { return Handle(exchange); };
    listener_ = std::make_unique<Listener>(io_, std::move(service), listen_);
    ASSERT_TRUE(listener_->Open());
    listener_->Start();
    thread_ = std::thread([this] { io_.run(); });
  }
  void Stop(Milliseconds patience) {
    asio::post(io_, [this, patience] { listener_->Drain(patience, [this] { io_.stop(); }); });
  }

  asio::awaitable<void> Handle(Exchange& exchange) {
    const std::string path = exchange.request().path;
    if (path == "/wait") co_return co_await WaitForEnd(exchange);
    if (path == "/flood") co_return co_await Flood(exchange);
    if (path == "/throw") throw std::runtime_error("on purpose");
    if (path == "/hungry") throw std::bad_alloc();
    if (path == "/stream") {
      HttpResponse head;
      co_await exchange.BeginStream(head);
      co_await exchange.Write("one");
      co_await exchange.Write("two");
      co_return co_await exchange.EndStream();
    }
    HttpResponse response;
    response.content_type = "text/plain";
    response.body = exchange.request().method + " " + path + " " + exchange.request().body;
    co_await exchange.Respond(std::move(response));
  }

  // As a generation does: waits, watching the client.
  asio::awaitable<void> WaitForEnd(Exchange& exchange) {
    auto wake = std::make_shared<WakeUp>(exchange.executor());
    exchange.Watch([wake] { wake->Notify(); });
    ++waiting_;
    while (!exchange.gone() && !exchange.cut()) co_await wake->Wait(5s);
    if (exchange.gone()) ++gone_;
    if (exchange.cut()) {
      HttpResponse response;
      response.body = "cut";
      co_await exchange.Respond(std::move(response));
    }
  }

  asio::awaitable<void> Flood(Exchange& exchange) {
    HttpResponse head;
    co_await exchange.BeginStream(head);
    const std::string piece(16384, 'x');
    IoEnd end = IoEnd::kDone;
    while (end == IoEnd::kDone) end = co_await exchange.Write(piece);
    if (end == IoEnd::kTimeout) {
      ++stalled_;
      co_await exchange.EndStalled("last words");
    }
  }

  template <typename Condition>
  bool Eventually(Condition condition) {
    for (int i = 0; i < 500 && !condition(); ++i) usleep(10'000);
    return condition();
  }

  std::string Ask(std::string_view text) {
    Client client(listener_->port());
    client.Send(text);
    return client.ReceiveAll();
  }

  HttpLimits limits_;
  ListenOptions listen_;
  asio::io_context io_{1};
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
  std::atomic<int> waiting_{0};
  std::atomic<int> gone_{0};
  std::atomic<int> stalled_{0};
};

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  Start();
  Client client(listener_->port());
  for (int i = 0; i < 3; ++i) {
    client.Send(
        "POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nX-Request-Id: me\r\nContent-Length: 2\r\n"
        "\r\nhi");
    const std::string answer = client.Receive();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    EXPECT_TRUE(answer.ends_with("\r\n\r\nPOST /a b hi")) << answer;
    EXPECT_NE(answer.find("X-Request-Id: me\r\n"), std::string::npos);
    EXPECT_NE(answer.find("Connection: keep-alive"), std::string::npos);
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  std::string many;
  for (int i = 0; i < 500; ++i)
    many += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string all = Ask(many + "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(Count(all, "HTTP/1.1 200 OK"), 501u);
  EXPECT_LT(all.find("GET /7 "), all.find("GET /8 "));
}

TEST_F(HttpServerTest, ReadsChunkedBodiesAndExpectations) {
  Start();
  const std::string chunked =
      Ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
          "2\r\nab\r\n1;ext=1\r\nc\r\n0\r\nTrailer: t\r\n\r\n");
  EXPECT_TRUE(chunked.ends_with("POST / abc")) << chunked;
  Client client(listener_->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
  EXPECT_EQ(client.Receive(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("z");
  EXPECT_TRUE(client.Receive().ends_with("POST / z"));
}

TEST_F(HttpServerTest, StreamsInChunksOrUntilTheEnd) {
  Start();
  const std::string chunks = Ask("GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(chunks.ends_with("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")) << chunks;
  const std::string plain = Ask("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(plain.ends_with("\r\n\r\nonetwo")) << plain;
  EXPECT_EQ(plain.find("chunked"), std::string::npos);
}

TEST_F(HttpServerTest, LeavesTheBodyOutOfHead) {
  Start();
  const std::string head = Ask("HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 8\r\n"), std::string::npos) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, RefusesWhatIsNoRequest) {
  Start();
  struct Case {
    std::string text;
    int status;
  };
  const Case cases[] = {
      {"hello\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(20000, 'a') + "\r\n\r\n", 431},
      {"GET /%4 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nXY\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", 415},
      {"POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 1\r\n\r\nx", 417},
  };
  for (const Case& bad : cases) {
    const std::string answer = Ask(bad.text);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::to_string(bad.status))) << answer;
    EXPECT_NE(answer.find("{\"error\":"), std::string::npos);
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  }
}

TEST_F(HttpServerTest, CutsChunkedBodiesAtTheLimit) {
  Start();
  std::string text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 30; ++i) text += "1000\r\n" + std::string(4096, 'x') + "\r\n";
  EXPECT_TRUE(Ask(text).starts_with("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, BoundsBodiesOfAllConnectionsTogether) {
  listen_.max_buffered_body_bytes = 150'000;
  Start();
  Client first(listener_->port());
  first.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n");
  usleep(50'000);
  const std::string second = Ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n");
  EXPECT_TRUE(second.starts_with("HTTP/1.1 429")) << second;
  EXPECT_NE(second.find("Retry-After"), std::string::npos);
  EXPECT_TRUE(Ask("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
                  .ends_with("POST / ok"));
}

TEST_F(HttpServerTest, GivesUpOnSlowHeadersAndBodies) {
  Start();
  EXPECT_TRUE(Ask("GET / HT").starts_with("HTTP/1.1 408"));
  EXPECT_TRUE(
      Ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab").starts_with("HTTP/1.1 408"));
  EXPECT_EQ(Ask(""), "");  // an idle connection just ends
}

TEST_F(HttpServerTest, NoticesClientsThatLeave) {
  Start();
  for (int i = 1; i <= 3; ++i) {
    Client client(listener_->port());
    client.Send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(Eventually([&] { return waiting_ == i; }));
    if (i == 2) client.Send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n");  // pipelined behind it
    i == 3 ? client.FinishSending() : client.Close();
    EXPECT_TRUE(Eventually([&] { return gone_ == i; })) << i;
  }
}

TEST_F(HttpServerTest, TellsStalledReadersWhy) {
  Start();
  Client client(listener_->port(), 4096);
  client.Send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return stalled_ == 1; }));
  const auto body = Unchunk(client.ReceiveAll());
  ASSERT_TRUE(body);
  EXPECT_TRUE(body->ends_with("xlast words"));
  EXPECT_EQ(Count(*body, "x") % 16384, 0u);
}

TEST_F(HttpServerTest, IsPatientWithSlowReaders) {
  Start();
  Client client(listener_->port(), 4096);
  client.Send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
  for (int i = 0; i < 40; ++i) {
    EXPECT_FALSE(client.Receive(1024).empty());
    usleep(50'000);
  }
  EXPECT_EQ(stalled_, 0);
}

TEST_F(HttpServerTest, CutsClientsThatSendTooMuchAhead) {
  Start();
  Client client(listener_->port());
  client.Send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return waiting_ == 1; }));
  client.Send(std::string(60'000, '\n'));
  usleep(50'000);
  EXPECT_EQ(gone_, 0);
  client.Send(std::string(20'000, '\n'));
  EXPECT_TRUE(Eventually([&] { return gone_ == 1; }));
}

TEST_F(HttpServerTest, SurvivesHandlersThatThrow) {
  Start();
  EXPECT_TRUE(Ask("GET /throw HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                  .starts_with("HTTP/1.1 500"));
  const std::string hungry = Ask("GET /hungry HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(hungry.starts_with("HTTP/1.1 503") && hungry.find("out_of_memory") != hungry.npos);
  EXPECT_TRUE(Ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ends_with("GET / "));
}

TEST_F(HttpServerTest, TurnsAwayMoreThanItsConnections) {
  listen_.max_connections = 2;
  Start();
  Client first(listener_->port());
  Client second(listener_->port());
  Client third(listener_->port());
  EXPECT_TRUE(third.Receive().starts_with("HTTP/1.1 503"));
  second.Close();
  ASSERT_TRUE(Eventually([&] { return Ask("GET / HTTP/1.0\r\n\r\n").ends_with("GET / "); }));
}

TEST_F(HttpServerTest, DrainsThenCuts) {
  limits_.idle_timeout = 10s;
  limits_.header_timeout = 10s;
  Start();
  Client idle(listener_->port());
  Client half(listener_->port());
  half.Send("GET / HTTP");
  Client busy(listener_->port());
  busy.Send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return waiting_ == 1; }));
  Stop(400ms);
  EXPECT_EQ(idle.Receive(), "");
  EXPECT_EQ(half.Receive(), "");
  // Newcomers get an answer, and the end of the connection with it.
  EXPECT_NE(Ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").find("Connection: close"), std::string::npos);
  EXPECT_EQ(gone_, 0);
  EXPECT_TRUE(busy.ReceiveAll().ends_with("cut"));
  thread_.join();
}

TEST(Listen, RefusesAddressesInUseAndInTheOpen) {
  asio::io_context io;
  Listener first(io, {}, {});
  ASSERT_TRUE(first.Open());
  ListenOptions same;
  same.port = first.port();
  EXPECT_EQ(Listener(io, {}, same).Open().error().code, ErrorCode::kAddressInUse);
  ListenOptions open;
  open.host = "0.0.0.0";
  EXPECT_EQ(Listener(io, {}, open).Open().error().code, ErrorCode::kInvalidArgument);
  open.insecure = true;
  EXPECT_TRUE(Listener(io, {}, open).Open());
}

TEST(HttpMessage, ReadsQueries) {
  EXPECT_EQ(QueryValue("a=1&names=vl%6cm&b", "names"), "vllm");
  EXPECT_EQ(QueryValue("a=1&names=vllm&b", "b"), "");
  EXPECT_EQ(QueryValue("a=1", "names"), std::nullopt);
  EXPECT_EQ(PercentDecode("%zz"), std::nullopt);
}

TEST(TrustedOrigin, KnowsLoopbackByNameAndAddress) {
  for (const char* name : {"localhost", "LOCALHOST:80", "127.0.0.1", "127.9.9.9:8080", "[::1]:1"}) {
    EXPECT_TRUE(IsLoopbackName(name)) << name;
  }
  for (const char* name : {"", "evil.com", "127.0.0.1.evil.com", "localhost.evil.com", "[::2]",
                           "0.0.0.0", "192.168.0.1:80", "[::1"}) {
    EXPECT_FALSE(IsLoopbackName(name)) << name;
  }
}

TEST(TrustedOrigin, RefusesPagesOfStrangers) {
  const auto refused = [](std::string host, std::string origin, const TrustedNames& names) {
    HttpRequest request;
    request.method = "POST";
    request.host = std::move(host);
    request.origin = std::move(origin);
    return RefuseStrangers(request, names).has_value();
  };
  const CorsPolicy none;
  const CorsPolicy any("*", {});
  const CorsPolicy app("https://app.example", {"http://10.0.0.2:8080/quire"});
  const TrustedNames local{"my-box", app, false};
  EXPECT_TRUE(refused("evil.com:8080", "", local));
  EXPECT_FALSE(refused("my-box:8080", "", local));
  EXPECT_FALSE(refused("localhost:8080", "", local));
  EXPECT_FALSE(refused("localhost", "http://localhost:3000", local));
  EXPECT_FALSE(refused("localhost", "https://app.example", local));
  EXPECT_TRUE(refused("localhost", "https://evil.com", local));
  EXPECT_TRUE(refused("localhost", "null", local));
  EXPECT_FALSE(refused("localhost", "http://10.0.0.2:8080", local));  // a peer
  EXPECT_TRUE(refused("localhost", "http://10.0.0.2:8081", local));
  EXPECT_TRUE(refused("localhost", "http://10.0.0.2", local));
  EXPECT_TRUE(refused("localhost", "https://10.0.0.2:8080", local));
  EXPECT_TRUE(refused("localhost", "http://10.0.0.2:8080.evil.com", local));
  EXPECT_FALSE(refused("localhost", "https://evil.com", {"localhost", any, false}));
  EXPECT_FALSE(refused("any.example", "", {"0.0.0.0", none, true}));
  // Our own pages: only a key tells them from those of a name that was made to lead here.
  const TrustedNames keyed{"0.0.0.0", none, true, true};
  EXPECT_FALSE(refused("quire.example:8080", "http://quire.example:8080", keyed));
  EXPECT_FALSE(refused("quire.example", "https://quire.example", keyed));
  EXPECT_TRUE(refused("quire.example", "https://evil.example", keyed));
  EXPECT_TRUE(refused("quire.example", "quire.example", keyed));
  EXPECT_TRUE(refused("", "https://", keyed));
  EXPECT_TRUE(refused("quire.example", "http://quire.example", {"0.0.0.0", none, true, false}));
}

}  // namespace
}  // namespace quire
