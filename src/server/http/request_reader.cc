#include "server/http/request_reader.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <random>
#include <utility>

namespace quire {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr size_t kReadBytes = size_t{16} << 10;
constexpr size_t kDiscardBytes = size_t{256} << 20;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string RandomId() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  constexpr char kHex[] = "0123456789abcdef";
  std::string id = "req-";
  uint64_t bits = generator();
  for (int i = 0; i < 16; ++i, bits >>= 4) id += kHex[bits & 15];
  return id;
}

// A client's own id comes back to it in a header and in JSON, so only plain characters may be in.
std::string RequestIdOf(std::string_view wished) {
  if (wished.empty() || wished.size() > 128) return RandomId();
  for (const char c : wished) {
    if (c <= ' ' || c > '~' || c == '"' || c == '\\') return RandomId();
  }
  return std::string(wished);
}

NoRequest Refusal(int status, std::string_view code, std::string message) {
  return NoRequest{ErrorResponse(status, code, std::move(message)), RandomId()};
}

NoRequest Busy() {
  NoRequest busy = Refusal(429, "overloaded", "too many large bodies at once; try again");
  busy.response->headers.emplace_back("Retry-After", "1");
  return busy;
}

NoRequest ParseRefusal(const error_code& error, const HttpLimits& limits) {
  if (error == http::error::header_limit) {
    return Refusal(
        431, "header_too_large",
        "the header is longer than " + std::to_string(limits.max_header_bytes) + " bytes");
  }
  if (error == http::error::body_limit) {
    return Refusal(413, "request_too_large",
                   "the body is longer than " + std::to_string(limits.max_body_bytes) + " bytes");
  }
  if (error == http::error::bad_version) {
    return Refusal(505, "http_version", "only HTTP/1.0 and HTTP/1.1 are spoken here");
  }
  return Refusal(400, "malformed_http", "this is not valid HTTP: " + error.message());
}

// A client may send both, and mean either.
std::vector<std::string> KeysOf(const http::fields& headers) {
  constexpr std::string_view kBearer = "bearer ";
  std::vector<std::string> keys;
  const std::string_view given = headers[http::field::authorization];
  if (boost::beast::iequals(given.substr(0, kBearer.size()), kBearer)) {
    const size_t start = given.find_first_not_of(' ', kBearer.size());
    if (start != std::string_view::npos) keys.emplace_back(given.substr(start));
  }
  const std::string_view other = headers["x-api-key"];
  if (!other.empty()) keys.emplace_back(other);
  return keys;
}

// Path and query of a request target: "/a?b" or "http://host/a?b".
bool SplitTarget(std::string_view target, HttpRequest& request) {
  const size_t scheme = target.find("://");
  if (!target.starts_with('/') && scheme != std::string_view::npos) {
    const size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  const size_t mark = target.find('?');
  auto path = PercentDecode(target.substr(0, mark));
  if (!path) return false;
  request.path = std::move(*path);
  if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
  return true;
}

}  // namespace

struct RequestReader::Parse {
  http::request_parser<http::string_body> parser;
  std::unique_ptr<BodyBudget::Share> share;
  bool expects_continue = false;

  // Parses as much of `buffer` as it can; false if more is needed (and `error` is not set).
  bool Put(std::string& buffer, error_code& error) {
    const size_t used = parser.put(asio::const_buffer(buffer.data(), buffer.size()), error);
    buffer.erase(0, used);
    if (error == http::error::need_more) {
      error = {};
      return false;
    }
    return true;
  }
};

asio::awaitable<IoResult> RequestReader::Fill(Milliseconds timeout) {
  std::array<char, kReadBytes> chunk;
  const IoResult result = co_await socket_.ReadSome(chunk, timeout);
  if (result.end == IoEnd::kDone) buffer_.append(chunk.data(), result.bytes);
  co_return result;
}

asio::awaitable<bool> RequestReader::WaitForFirstByte() {
  for (;;) {
    const size_t start = buffer_.find_first_not_of("\r\n");  // empty lines may come between
    buffer_.erase(0, std::min(start, buffer_.size()));
    if (!buffer_.empty()) break;
    idle_ = true;
    const Milliseconds pause = first_ ? limits_.header_timeout : limits_.idle_timeout;
    const IoResult result = co_await Fill(pause);
    if (result.end != IoEnd::kDone) co_return false;
  }
  idle_ = false;
  first_ = false;
  co_return true;
}

asio::awaitable<std::optional<NoRequest>> RequestReader::ReadHeader(Parse& parse) {
  const Clock::time_point deadline = Clock::now() + limits_.header_timeout;
  for (;;) {
    error_code error;
    if (!buffer_.empty()) parse.Put(buffer_, error);
    if (error) co_return ParseRefusal(error, limits_);
    if (parse.parser.is_header_done()) co_return std::nullopt;
    if (buffer_.size() > limits_.max_header_bytes) {
      co_return ParseRefusal(http::error::header_limit, limits_);
    }
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - Clock::now());
    const IoResult result = co_await Fill(std::max(left, Milliseconds(0)));
    if (result.end == IoEnd::kTimeout) {
      co_return Refusal(408, "header_timeout", "the header did not arrive in time");
    }
    if (result.end == IoEnd::kClosed) co_return NoRequest{};
  }
}

std::optional<NoRequest> RequestReader::CheckHeader(Parse& parse) const {
  const auto& message = parse.parser.get();
  if (message.version() != 10 && message.version() != 11) {
    return ParseRefusal(http::error::bad_version, limits_);
  }
  if (message.version() == 11 && message.count(http::field::host) != 1) {
    return Refusal(400, "malformed_http", "exactly one Host header is needed");
  }
  const std::string_view coding = message[http::field::transfer_encoding];
  const bool coded = message.count(http::field::transfer_encoding) != 0;
  if (coded && (!parse.parser.chunked() || !boost::beast::iequals(coding, "chunked"))) {
    return Refusal(501, "transfer_encoding", "only the chunked transfer coding is understood");
  }
  const std::string_view encoding = message[http::field::content_encoding];
  if (!encoding.empty() && encoding != "identity") {
    return Refusal(415, "content_encoding", "bodies must come without Content-Encoding");
  }
  const auto length = parse.parser.content_length();  // within body_limit, or the parser refused
  if (length && !parse.share->GrowTo(*length)) {
    return Busy();
  }
  const std::string_view expect = message[http::field::expect];
  parse.expects_continue = boost::beast::iequals(expect, "100-continue");
  if (!expect.empty() && !parse.expects_continue) {
    return Refusal(417, "expectation", "only Expect: 100-continue is understood");
  }
  return std::nullopt;
}

asio::awaitable<std::optional<NoRequest>> RequestReader::ReadBody(Parse& parse) {
  if (parse.expects_continue && buffer_.empty() && !parse.parser.is_done()) {
    const IoResult sent = co_await socket_.WriteAll(kContinue, limits_.write_stall);
    if (sent.end != IoEnd::kDone) co_return NoRequest{};
  }
  const Clock::time_point deadline = Clock::now() + limits_.body_timeout;
  while (!parse.parser.is_done()) {
    error_code error;
    bool progress = false;
    if (!buffer_.empty()) progress = parse.Put(buffer_, error);
    if (error) co_return ParseRefusal(error, limits_);
    if (!parse.share->GrowTo(parse.parser.get().body().size())) {
      co_return Busy();
    }
    if (parse.parser.is_done() || (progress && !buffer_.empty())) continue;
    // A chunk header or trailer that never ends would otherwise grow the buffer for ever.
    if (buffer_.size() > limits_.max_pipelined_bytes) {
      co_return Refusal(400, "malformed_http", "the chunked body makes no sense");
    }
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - Clock::now());
    const IoResult result =
        co_await Fill(std::max(std::min(left, limits_.body_pause), Milliseconds(0)));
    if (result.end == IoEnd::kTimeout) {
      co_return Refusal(408, "body_timeout", "the body did not arrive in time");
    }
    if (result.end == IoEnd::kClosed) co_return NoRequest{};
  }
  co_return std::nullopt;
}

asio::awaitable<std::expected<IncomingRequest, NoRequest>> RequestReader::Next() {
  const bool arrived = co_await WaitForFirstByte();
  if (!arrived) co_return std::unexpected(NoRequest{});
  Parse parse;
  parse.parser.header_limit(static_cast<uint32_t>(limits_.max_header_bytes));
  parse.parser.body_limit(limits_.max_body_bytes);
  parse.share = std::make_unique<BodyBudget::Share>(budget_);
  std::optional<NoRequest> problem = co_await ReadHeader(parse);
  if (problem) co_return std::unexpected(std::move(*problem));
  IncomingRequest incoming;
  incoming.request.request_id = RequestIdOf(parse.parser.get()["X-Request-Id"]);
  problem = CheckHeader(parse);
  if (!problem) problem = co_await ReadBody(parse);
  if (problem) {
    problem->request_id = incoming.request.request_id;
    co_return std::unexpected(std::move(*problem));
  }
  auto message = parse.parser.release();
  incoming.request.method = message.method_string();
  if (!SplitTarget(message.target(), incoming.request)) {
    co_return std::unexpected(Refusal(400, "malformed_http", "broken escape in the path"));
  }
  incoming.request.keep_alive = message.keep_alive();
  incoming.request.http_1_1 = message.version() == 11;
  incoming.request.host = message[http::field::host];
  incoming.request.origin = message[http::field::origin];
  incoming.request.keys = KeysOf(message);
  incoming.request.if_none_match = std::string(message[http::field::if_none_match]);
  incoming.request.accepts_gzip = AcceptsGzip(message[http::field::accept_encoding]);
  incoming.request.session = std::string(message["X-Quire-Session"]);
  incoming.request.accept = std::string(message[http::field::accept]);
  incoming.request.route = std::string(message["X-Quire-Route"]);
  incoming.request.version = std::string(message["X-Quire-Version"]);
  incoming.request.retry_of = std::string(message["X-Quire-Retry-Of"]);
  if (message.count("traceparent") == 1) {
    incoming.request.traceparent = std::string(message["traceparent"]);
  }
  incoming.request.body = std::move(message.body());
  incoming.share = std::move(parse.share);
  idle_ = false;
  co_return incoming;
}

asio::awaitable<bool> RequestReader::ReadAhead() {
  stop_ahead_ = false;
  while (!stop_ahead_) {
    if (buffer_.size() >= limits_.max_pipelined_bytes) co_return true;
    const IoResult result = co_await Fill(kForever);
    if (result.end == IoEnd::kClosed) co_return true;
  }
  co_return false;
}

void RequestReader::StopReadingAhead() {
  stop_ahead_ = true;
  socket_.InterruptRead();
}

asio::awaitable<void> RequestReader::Discard() {
  const Clock::time_point deadline = Clock::now() + limits_.header_timeout;
  std::array<char, kReadBytes> chunk;
  size_t total = 0;
  while (total < kDiscardBytes && Clock::now() < deadline) {
    const IoResult result = co_await socket_.ReadSome(chunk, std::chrono::seconds(2));
    if (result.end != IoEnd::kDone) break;
    total += result.bytes;
  }
}

}  // namespace quire
