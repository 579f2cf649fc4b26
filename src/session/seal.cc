#include "session/seal.h"

#include <sodium.h>

#include "base/check.h"
#include "session/fields.h"

namespace quire {
namespace {

constexpr size_t kNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kTagBytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
static_assert(kNonceBytes + kTagBytes == kSealOverheadBytes);

const unsigned char* Raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* Raw(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

}  // namespace

Seal::Seal(std::string_view secret, std::string_view tenant, uint64_t generation) {
  QUIRE_CHECK(secret.size() == kSessionSecretBytes);
  const std::string purpose =
      FieldWriter().Text("quire sessions").Text(tenant).Number64(generation).Take();
  crypto_generichash(key_.data(), key_.size(), Raw(purpose), purpose.size(), Raw(secret),
                     secret.size());
}

Seal::~Seal() { sodium_memzero(key_.data(), key_.size()); }

std::string Seal::Close(std::string_view bytes, std::string_view associated) const {
  std::string sealed(kNonceBytes + bytes.size() + kTagBytes, '\0');
  randombytes_buf(sealed.data(), kNonceBytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(Raw(sealed) + kNonceBytes, nullptr, Raw(bytes),
                                             bytes.size(), Raw(associated), associated.size(),
                                             nullptr, Raw(sealed), key_.data());
  return sealed;
}

std::optional<std::string> Seal::Open(std::string_view sealed, std::string_view associated) const {
  if (sealed.size() < kNonceBytes + kTagBytes) return std::nullopt;
  std::string bytes(sealed.size() - kNonceBytes - kTagBytes, '\0');
  const int opened = crypto_aead_xchacha20poly1305_ietf_decrypt(
      Raw(bytes), nullptr, nullptr, Raw(sealed) + kNonceBytes, sealed.size() - kNonceBytes,
      Raw(associated), associated.size(), Raw(sealed), key_.data());
  return opened == 0 ? std::optional(std::move(bytes)) : std::nullopt;
}

std::string SignatureOf(std::string_view key, std::string_view bytes) {
  std::string signature(kSignatureBytes, '\0');
  crypto_generichash(Raw(signature), signature.size(), Raw(bytes), bytes.size(),
                     key.empty() ? nullptr : Raw(key), key.size());
  return signature;
}

bool SameSignature(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace quire
