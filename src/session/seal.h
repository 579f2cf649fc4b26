// session/seal.h -- encrypts what is kept of a tenant, bound to the place where it is kept.
//
//   key    = BLAKE2b-256(key: secret of the server, "quire sessions" | tenant | generation)
//   sealed = nonce (24 random bytes) | XChaCha20-Poly1305(key, nonce, bytes, associated data)
//
// The associated data says what it is and where: bytes moved to another row, session or tenant do
// not open. XChaCha20 rather than AES: a file must open on every machine, and its nonces may be
// drawn at random for as long as anybody lives.
//
// Threads  immutable: any number of callers. sodium_init must have been called.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quire {

inline constexpr size_t kSessionSecretBytes = 32;
inline constexpr size_t kSignatureBytes = 32;
inline constexpr size_t kSealOverheadBytes = 24 + 16;  // nonce and tag

class Seal {
 public:
  // `secret` has kSessionSecretBytes. A new generation makes what was sealed before unreadable.
  Seal(std::string_view secret, std::string_view tenant, uint64_t generation);
  ~Seal();  // wipes the key
  Seal(const Seal&) = delete;
  Seal& operator=(const Seal&) = delete;

  std::string Close(std::string_view bytes, std::string_view associated) const;
  // Nothing if it was not sealed with this key and these associated data.
  std::optional<std::string> Open(std::string_view sealed, std::string_view associated) const;

 private:
  std::array<unsigned char, 32> key_;
};

// kSignatureBytes that only somebody with `key` can make; of an empty key: a checksum.
std::string SignatureOf(std::string_view key, std::string_view bytes);
bool SameSignature(std::string_view a, std::string_view b);  // takes equally long whatever they are

}  // namespace quire
