// server/peers/peer_directory.h -- the other servers that sessions may be handed to, and come from.
//
// Peers are configured on both sides, never taken from a request. Two of them share a secret: a
// file of 32 to 4096 bytes that only its owner may read.
//
// Errors   kInvalidArgument naming the flag or the file; kIo for a file that cannot be read.
// Threads  immutable: any number of readers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace quire {

struct Peer {
  std::string name;    // letters, digits, '.', '_', '-'
  std::string url;     // without a slash at its end; also what clients are told
  std::string secret;  // 32 bytes
};

// "NAME=URL", or "NAME=URL FILE" with a secret file of its own.
Result<Peer> ParsePeer(std::string_view text, const std::string& secret_file);

class PeerDirectory {
 public:
  PeerDirectory() = default;
  // `own_name`: what peers call this server; empty: whatever the secret tells.
  // kInvalidArgument for two peers of one name.
  static Result<PeerDirectory> Make(std::vector<Peer> peers, std::string own_name);

  const Peer* Find(std::string_view name) const;
  const std::vector<Peer>& peers() const { return peers_; }
  const std::string& own_name() const { return own_name_; }
  std::string Names() const;  // "a, b"

 private:
  std::vector<Peer> peers_;
  std::string own_name_;
};

}  // namespace quire
