#include "server/server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/spare_memory.h"
#include "server/http/listener.h"
#include "server/public_texts.h"
#include "server/service.h"

namespace quire {

namespace asio = boost::asio;

namespace {

HttpLimits LimitsOf(const ServerOptions& options) {
  using std::chrono::seconds;
  HttpLimits limits;
  limits.max_header_bytes = options.max_header_bytes;
  limits.max_body_bytes = options.max_body_bytes;
  limits.header_timeout = seconds(options.header_timeout_seconds);
  limits.body_pause = seconds(options.header_timeout_seconds);
  limits.idle_timeout = seconds(options.idle_timeout_seconds);
  limits.write_stall = seconds(options.stall_seconds);
  return limits;
}

ListenOptions ListenOptionsOf(const ServerOptions& options) {
  return {options.host, options.port, options.insecure || options.tenants, options.max_connections,
          options.max_buffered_body_bytes};
}

}  // namespace

// Members die in reverse order: the listener's connections before the service they use, both
// before the context they run on.
struct Server::Impl {
  explicit Impl(ServerOptions given)
      : options(std::move(given)),
        work(io.get_executor()),
        service(options),
        listener(io,
                 {LimitsOf(options), service.cors(),
                  [this](Exchange& exchange) { return Handle(exchange); }, options.log},
                 ListenOptionsOf(options)) {}

  asio::awaitable<void> Handle(Exchange& exchange) {
    service.SetConnections(listener.num_connections());
    return service.Handle(exchange);
  }

  ServerOptions options;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work;
  Service service;
  Listener listener;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::Listen(ServerOptions options) {
  if (options.model_names.empty()) options.model_names = {"quire"};
  auto impl = std::make_unique<Impl>(std::move(options));
  if (const Status opened = impl->listener.Open(); !opened) {
    return std::unexpected(opened.error());
  }
  impl->options.port = impl->listener.port();
  impl->listener.Start();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

uint16_t Server::port() const { return impl_->options.port; }

std::string Server::url() const {
  const bool v6 = impl_->options.host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + impl_->options.host + "]" : impl_->options.host;
  return "http://" + host + ":" + std::to_string(port());
}

void Server::SetReady(ServedModel model) {
  QUIRE_CHECK(model.engine != nullptr && model.tokenizer != nullptr);
  // Trying what the template can do takes a moment, which belongs to the loading thread.
  auto ready = std::make_shared<const ReadyModel>(std::move(model), impl_->options.model_names,
                                                  impl_->options.reply_format);
  if (impl_->options.tenants) {
    for (const std::string& problem :
         SharePublicTexts(*ready, impl_->options.tenants->public_texts)) {
      if (impl_->options.log) impl_->options.log(problem);
    }
  }
  asio::post(impl_->io, [impl = impl_.get(), ready = std::move(ready)]() mutable {
    impl->service.Load(std::move(ready));
  });
}

void Server::SetTenants(TenantsFile tenants, std::function<void(const Status&)> done) {
  asio::post(impl_->io,
             [impl = impl_.get(), tenants = std::move(tenants), done = std::move(done)]() mutable {
               done(impl->service.SetTenants(std::move(tenants)));
             });
}

// A connection that finds no memory ends by itself (http/connection.cc). What leaves its coroutine
// nevertheless must not end the others.
void Server::Run() {
  const SparePermit permit(SpareUse::kServer);
  while (!impl_->io.stopped()) {
    try {
      impl_->io.run();
    } catch (const std::bad_alloc&) {
      impl_->options.log("out of memory: something was left undone");
    }
  }
}

void Server::Stop() {
  asio::post(impl_->io, [impl = impl_.get()] {
    impl->service.Drain();
    impl->listener.Drain(std::chrono::seconds(impl->options.drain_seconds),
                         [impl] { impl->io.stop(); });
  });
}

}  // namespace quire
