#include "server/http/exchange.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <charconv>
#include <new>

#include "base/check.h"

namespace quire {

namespace asio = boost::asio;

HeadOptions Exchange::head_options() const {
  HeadOptions options;
  options.request_id = request_.request_id;
  options.traceparent = traceparent_;
  options.cors_origin = context_.cors.AnswerTo(request_.origin);
  options.cors_varies = context_.cors.varies();
  options.keep_alive = keep_alive();
  return options;
}

asio::awaitable<IoEnd> Exchange::Send(std::string_view bytes) {
  const IoResult result = co_await context_.socket.WriteAll(bytes, context_.limits.write_stall);
  if (result.end == IoEnd::kTimeout) owed_ = bytes.substr(result.bytes);
  if (result.end == IoEnd::kClosed) gone_ = true;
  if (result.end != IoEnd::kDone) keep_alive_ = false;
  co_return result.end;
}

asio::awaitable<void> Exchange::Respond(HttpResponse response) {
  QUIRE_CHECK(!answered_, "a request is answered once");
  answered_ = true;
  if (response.error && error_form_ != nullptr) error_form_(response, request_.request_id);
  std::string bytes = FormatHead(response, head_options());
  if (request_.method != "HEAD") bytes += response.body;
  co_await Send(bytes);
}

asio::awaitable<IoEnd> Exchange::BeginStream(HttpResponse head) {
  QUIRE_CHECK(!answered_, "a request is answered once");
  answered_ = true;
  if (!request_.http_1_1) keep_alive_ = false;
  HeadOptions options = head_options();
  options.chunked = request_.http_1_1;
  options.until_close = !request_.http_1_1;
  const std::string bytes = FormatHead(head, options);
  co_return co_await Send(bytes);
}

std::string Exchange::Framed(std::string_view piece) const {
  if (!request_.http_1_1) return std::string(piece);
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), piece.size(), 16).ptr;
  std::string framed(digits, end);
  framed.append("\r\n").append(piece).append("\r\n");
  return framed;
}

asio::awaitable<IoEnd> Exchange::Write(std::string_view piece) {
  if (piece.empty()) co_return IoEnd::kDone;  // an empty chunk would end the stream
  const std::string framed = Framed(piece);
  co_return co_await Send(framed);
}

asio::awaitable<void> Exchange::EndStream() {
  if (request_.http_1_1) co_await Send("0\r\n\r\n");
}

asio::awaitable<void> Exchange::EndStalled(std::string_view last_words) {
  std::string rest = std::move(owed_) + Framed(last_words);
  if (request_.http_1_1) rest += "0\r\n\r\n";
  co_await context_.socket.WriteAll(rest, context_.limits.write_stall);
}

namespace {

// Outlives neither the exchange nor the reader: the connection stops watching before they die.
asio::awaitable<void> WatchPeer(RequestReader& reader, std::function<void(bool)> ended) {
  bool gone = false;
  try {
    gone = co_await reader.ReadAhead();
  } catch (const std::bad_alloc&) {  // whether it goes is seen when something is written
  }
  ended(gone);
}

}  // namespace

void Exchange::Watch(std::function<void()> changed) {
  changed_ = std::move(changed);
  if (watching_ || gone_) return;
  watching_ = true;
  auto ended = [this](bool gone) {
    watching_ = false;
    watch_done_.Notify();
    if (!gone) return;
    gone_ = true;
    changed_();
    context_.socket.Close();  // a write that waits for a reader ends with it
  };
  try {
    asio::co_spawn(context_.executor, WatchPeer(context_.reader, std::move(ended)), asio::detached);
  } catch (...) {
    watching_ = false;  // nobody is waited for
    throw;
  }
}

asio::awaitable<void> Exchange::StopWatching() {
  if (watching_) context_.reader.StopReadingAhead();
  while (watching_) co_await watch_done_.Wait(kForever);
}

void Exchange::Cut() {
  cut_ = true;
  keep_alive_ = false;
  if (changed_) changed_();
}

}  // namespace quire
