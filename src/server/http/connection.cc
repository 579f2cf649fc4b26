#include "server/http/connection.h"

#include <exception>
#include <new>
#include <utility>

namespace quire {

namespace asio = boost::asio;

namespace {

HttpResponse Failed(bool no_memory) {
  if (!no_memory) {
    return ErrorResponse(500, "internal_error", "the server failed; see its log");
  }
  HttpResponse response =
      ErrorResponse(503, "out_of_memory",
                    "the system gave no memory for this request; send less at once, or try again");
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, const HttpService& service, BodyBudget& budget)
    : executor_(socket.get_executor()),
      service_(service),
      socket_(std::move(socket)),
      reader_(socket_, service.limits, budget) {}

asio::awaitable<void> Connection::Refuse(NoRequest reason) {
  HeadOptions options;
  options.request_id = reason.request_id;
  options.keep_alive = false;
  const std::string bytes = FormatHead(*reason.response, options) + reason.response->body;
  co_await socket_.WriteAll(bytes, service_.limits.write_stall);
}

asio::awaitable<bool> Connection::Handle(HttpRequest request) {
  Exchange exchange({socket_, reader_, service_.limits, service_.cors, executor_},
                    std::move(request));
  if (draining_) exchange.set_keep_alive(false);
  exchange_ = &exchange;
  std::string failure;
  bool no_memory = false;
  try {
    co_await service_.handler(exchange);
  } catch (const std::bad_alloc& error) {
    no_memory = true;
    failure = error.what();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  co_await exchange.StopWatching();
  if (!failure.empty() && service_.log) {
    service_.log("request " + exchange.request().request_id + " failed: " + failure);
  }
  if (!exchange.answered() && !exchange.gone()) {
    HttpResponse last_words = Failed(no_memory);
    co_await exchange.Respond(std::move(last_words));
  } else if (!failure.empty()) {
    exchange.set_keep_alive(false);
  }
  exchange_ = nullptr;
  co_return exchange.keep_alive() && !draining_;
}

asio::awaitable<std::expected<IncomingRequest, NoRequest>> Connection::ReadNext() {
  NoRequest reason;
  try {
    auto incoming = co_await reader_.Next();
    co_return incoming;
  } catch (const std::bad_alloc&) {
    reason.response = Failed(true);
  }
  co_return std::unexpected(std::move(reason));
}

asio::awaitable<void> Connection::Serve() {
  bool next = true;
  bool polite = true;
  while (next) {
    auto incoming = co_await ReadNext();
    if (!incoming) {
      polite = incoming.error().response.has_value();
      if (polite) co_await Refuse(std::move(incoming.error()));
      break;
    }
    next = co_await Handle(std::move(incoming->request));
  }
  if (polite && socket_.is_open()) {
    socket_.ShutdownWrite();
    co_await reader_.Discard();
  }
  socket_.Close();
}

void Connection::Drain() {
  draining_ = true;
  if (exchange_ == nullptr) {
    socket_.Close();
  } else {
    exchange_->set_keep_alive(false);
  }
}

void Connection::Cut() {
  if (exchange_ != nullptr) exchange_->Cut();
}

void Connection::Close() { socket_.Close(); }

}  // namespace quire
