#include "server/http/stream_socket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <tuple>
#include <utility>

namespace quire {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// Small, so that a client that stops reading is noticed after kilobytes, not megabytes.
constexpr int kSendBuffer = 32 << 10;
// But through a buffer of about one segment large answers pass at a few MB/s, in fits and starts.
constexpr int kLargeSendBuffer = 1 << 20;
constexpr size_t kLargeBytes = size_t{256} << 10;

// Has a large buffer while it lives, if one is wanted.
class Widened {
 public:
  Widened(asio::ip::tcp::socket& socket, bool wanted) : socket_(socket), wanted_(wanted) {
    if (wanted_) Set(kLargeSendBuffer);
  }
  ~Widened() {
    if (wanted_) Set(kSendBuffer);
  }
  Widened(const Widened&) = delete;
  Widened& operator=(const Widened&) = delete;

 private:
  void Set(int bytes) {
    error_code ignored;
    socket_.set_option(asio::socket_base::send_buffer_size(bytes), ignored);
  }

  asio::ip::tcp::socket& socket_;
  const bool wanted_;
};

}  // namespace

StreamSocket::StreamSocket(asio::ip::tcp::socket socket)
    : socket_(std::move(socket)),
      waiting_{Waiting(socket_.get_executor()), Waiting(socket_.get_executor())} {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.set_option(asio::socket_base::keep_alive(true), ignored);
  socket_.set_option(asio::socket_base::send_buffer_size(kSendBuffer), ignored);
}

StreamSocket::~StreamSocket() { Close(); }

void StreamSocket::Expire(Direction direction, uint64_t number) {
  Waiting& waiting = waiting_[direction];
  if (waiting.number != number) return;
  waiting.expired = true;
  error_code ignored;
  socket_.cancel(ignored);  // both directions; the one that did not expire waits again
}

asio::awaitable<IoEnd> StreamSocket::WaitReady(Direction direction, Milliseconds timeout) {
  Waiting& waiting = waiting_[direction];
  const uint64_t number = ++waiting.number;
  waiting.expired = false;
  waiting.timer.expires_after(timeout);
  waiting.timer.async_wait(
      [this, alive = std::weak_ptr(alive_), direction, number](error_code error) {
        if (!error && !alive.expired()) Expire(direction, number);
      });
  IoEnd end = IoEnd::kClosed;
  while (socket_.is_open()) {
    const auto type =
        direction == kRead ? asio::socket_base::wait_read : asio::socket_base::wait_write;
    const auto [error] = co_await socket_.async_wait(type, asio::as_tuple(asio::use_awaitable));
    if (waiting.expired) {
      end = IoEnd::kTimeout;
      break;
    }
    if (!error) {
      end = IoEnd::kDone;
      break;
    }
    if (error != asio::error::operation_aborted) break;
  }
  ++waiting.number;
  waiting.timer.cancel();
  co_return end;
}

asio::awaitable<IoResult> StreamSocket::ReadSome(std::span<char> buffer, Milliseconds timeout) {
  while (socket_.is_open()) {
    error_code error;
    const size_t bytes = socket_.read_some(asio::buffer(buffer.data(), buffer.size()), error);
    if (!error) co_return IoResult{IoEnd::kDone, bytes};
    if (error != asio::error::would_block) break;
    const IoEnd end = co_await WaitReady(kRead, timeout);
    if (end != IoEnd::kDone) co_return IoResult{end, 0};
  }
  co_return IoResult{IoEnd::kClosed, 0};
}

asio::awaitable<IoResult> StreamSocket::WriteAll(std::string_view bytes, Milliseconds stall) {
  size_t written = 0;
  const Widened widened(socket_, bytes.size() > kLargeBytes);
  while (written < bytes.size()) {
    if (!socket_.is_open()) co_return IoResult{IoEnd::kClosed, written};
    error_code error;
    written +=
        socket_.write_some(asio::buffer(bytes.data() + written, bytes.size() - written), error);
    if (!error) continue;
    if (error != asio::error::would_block) co_return IoResult{IoEnd::kClosed, written};
    const int before = UnacknowledgedBytes();
    const IoEnd end = co_await WaitReady(kWrite, stall);
    // The system reports room only when a third of its buffer is free; a slow reader needs longer.
    if (end == IoEnd::kTimeout && UnacknowledgedBytes() < before) continue;
    if (end != IoEnd::kDone) co_return IoResult{end, written};
  }
  co_return IoResult{IoEnd::kDone, written};
}

int StreamSocket::UnacknowledgedBytes() {
  int bytes = 0;
  return ioctl(socket_.native_handle(), SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

void StreamSocket::InterruptRead() { Expire(kRead, waiting_[kRead].number); }

void StreamSocket::ShutdownWrite() {
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void StreamSocket::Close() {
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace quire
