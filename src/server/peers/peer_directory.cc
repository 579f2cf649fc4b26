#include "server/peers/peer_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "server/tenants/tenants_file.h"
#include "session/seal.h"

namespace quire {
namespace {

constexpr mode_t kOthers = 077;
constexpr size_t kLeastSecretBytes = 32;
constexpr size_t kMostSecretBytes = 4096;

std::unexpected<Error> Bad(const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, what, "peer");
}

// The text of a secret file, without white space at its end.
Result<std::string> ReadSecret(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status{};
  std::string text(kMostSecretBytes + 1, '\0');
  const bool opened = fd >= 0 && fstat(fd, &status) == 0;
  const ssize_t size = opened ? read(fd, text.data(), text.size()) : -1;
  const int why = errno;
  if (fd >= 0) close(fd);
  if (size < 0) {
    return Refuse(ErrorCode::kIo,
                  fmt::format("cannot read the secret of peers '{}': {}; `openssl rand -hex 32` "
                              "draws one for both sides",
                              path, std::strerror(why)),
                  "peer-secret-file");
  }
  if ((status.st_mode & kOthers) != 0) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("others may read the secret of peers '{0}' (mode {1:o}); `chmod 600 "
                              "{0}` if nobody did, or draw a new one",
                              path, status.st_mode & 07777),
                  "peer-secret-file");
  }
  text.resize(static_cast<size_t>(size));
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.pop_back();
  }
  if (text.size() >= kLeastSecretBytes && text.size() <= kMostSecretBytes) return text;
  return Refuse(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no secret of peers: it must hold {} to {} bytes", path,
                            kLeastSecretBytes, kMostSecretBytes),
                "peer-secret-file");
}

}  // namespace

Result<Peer> ParsePeer(std::string_view text, const std::string& secret_file) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return Bad(fmt::format("'{}' is no peer; write it as NAME=URL", text));
  }
  Peer peer;
  peer.name = text.substr(0, equals);
  std::string_view rest = text.substr(equals + 1);
  const size_t space = rest.find(' ');
  std::string file = secret_file;
  if (space != std::string_view::npos) file = rest.substr(space + 1);
  peer.url = rest.substr(0, space);
  while (peer.url.ends_with('/')) peer.url.pop_back();
  if (const Status named = CheckTenantName(peer.name); !named) {
    return Bad(
        fmt::format("'{}' is no name of a peer: letters, digits, '.', '_' and '-'", peer.name));
  }
  const bool plain = std::ranges::all_of(peer.url, [](char c) { return c > ' ' && c < 127; });
  const size_t scheme = peer.url.starts_with("http://")    ? std::string_view("http://").size()
                        : peer.url.starts_with("https://") ? std::string_view("https://").size()
                                                           : 0;
  if (!plain || scheme == 0 || peer.url.size() == scheme) {
    return Bad(fmt::format("peer '{}': '{}' is no address; write it as http://host:port", peer.name,
                           peer.url));
  }
  if (file.empty()) {
    return Bad(
        fmt::format("peer '{}' has no secret; name a file with --peer-secret-file", peer.name));
  }
  QUIRE_TRY(const std::string secret, ReadSecret(file));
  peer.secret = SignatureOf({}, "quire peers" + secret);
  return peer;
}

Result<PeerDirectory> PeerDirectory::Make(std::vector<Peer> peers, std::string own_name) {
  if (!own_name.empty() && !CheckTenantName(own_name)) {
    return Refuse(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is no name of a server: letters, digits, '.', '_' and '-'", own_name),
        "peer-name");
  }
  PeerDirectory directory;
  for (Peer& peer : peers) {
    if (directory.Find(peer.name) != nullptr) {
      return Bad(fmt::format("there are two peers '{}'", peer.name));
    }
    directory.peers_.push_back(std::move(peer));
  }
  directory.own_name_ = std::move(own_name);
  return directory;
}

const Peer* PeerDirectory::Find(std::string_view name) const {
  const auto found = std::ranges::find(peers_, name, &Peer::name);
  return found == peers_.end() ? nullptr : &*found;
}

std::string PeerDirectory::Names() const {
  std::string names;
  for (const Peer& peer : peers_) names.append(names.empty() ? "" : ", ").append(peer.name);
  return names;
}

}  // namespace quire
