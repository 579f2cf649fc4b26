#include "server/dashboard/attention_view.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>

#include "server/server.h"
#include "tests/engine/fake_model.h"
#include "tests/support/tiny_engine.h"

namespace quire {
namespace {

// A connection on which `request` was sent.
int Sent(uint16_t port, const std::string& request) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL), ssize_t(request.size()));
  return fd;
}

TEST(AttentionView, IsToldWhenItsClientHasLeft) {
  ServerOptions options;
  options.port = 0;
  options.log = [](std::string_view) {};
  const auto server = std::move(*Server::Listen(std::move(options)));
  std::promise<void> begun;
  std::promise<bool> left;
  ServedModel model;
  model.engine = test::MakeEngine();
  model.tokenizer = test::LoadTinyTokenizer();
  model.attention = {.layers = 2, .heads = 1, .most_tokens = 64};
  model.attention.look = [&](std::span<const TokenId>, uint32_t, const auto& in_vain) {
    begun.set_value();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!in_vain() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    left.set_value(in_vain());
    return std::vector<float>();
  };
  server->SetReady(std::move(model));
  std::thread serving([&] { server->Run(); });
  const std::string body = R"({"text": "where does it look", "layer": 1})";
  const int client = Sent(server->port(),
                          "POST /v1/attention HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                          "Content-Type: application/json\r\nContent-Length: " +
                              std::to_string(body.size()) + "\r\n\r\n" + body);
  constexpr auto kPatience = std::chrono::seconds(60);
  EXPECT_EQ(begun.get_future().wait_for(kPatience), std::future_status::ready);
  close(client);
  auto told = left.get_future();
  EXPECT_TRUE(told.wait_for(2 * kPatience) == std::future_status::ready && told.get());
  server->Stop();
  serving.join();
}

}  // namespace
}  // namespace quire
