#include "server/tenants/tenant_key.h"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace quire {
namespace {

constexpr size_t kKeyBytes = 32;

std::string Hex(const unsigned char* bytes, size_t size) {
  std::string text(2 * size + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), bytes, size);
  text.pop_back();
  return text;
}

}  // namespace

std::string NewTenantKey() {
  QUIRE_CHECK(sodium_init() >= 0, "libsodium does not work here");
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::array<unsigned char, kKeyBytes> random;
  randombytes_buf(random.data(), random.size());
  std::string text(sodium_base64_ENCODED_LEN(kKeyBytes, kVariant), '\0');
  sodium_bin2base64(text.data(), text.size(), random.data(), random.size(), kVariant);
  text.pop_back();
  return "quire-" + text;
}

std::string HashTenantKey(std::string_view key) {
  std::array<unsigned char, kKeyHashDigits / 2> hash;
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(key.data()),
                     key.size(), nullptr, 0);
  return Hex(hash.data(), hash.size());
}

bool IsKeyHash(std::string_view text) {
  return text.size() == kKeyHashDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool SameKeyHash(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace quire
