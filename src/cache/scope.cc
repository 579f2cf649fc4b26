#include "cache/scope.h"

#include <sodium.h>

#include <cstring>

#include "base/check.h"

namespace quire {

namespace {

// What a field is. Part of every name: values are never changed or reused.
enum class Tag : uint8_t {
  kScopeRoot = 1,
  kModelDigest = 2,
  kKvFormat = 3,
  kNumericsVersion = 4,
  kTenantSecret = 5,
  kCacheSalt = 6,
  kSecretKind = 16,
  kTenantName = 17,
  kGeneration = 18,
};

class FieldHash {
 public:
  explicit FieldHash(std::string_view key) {
    crypto_generichash_init(&state_, reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                            sizeof(BlockName));
  }

  FieldHash& Add(Tag tag, std::string_view bytes) {
    unsigned char head[9] = {static_cast<unsigned char>(tag)};
    for (int i = 0; i < 8; ++i) head[1 + i] = static_cast<unsigned char>(bytes.size() >> (8 * i));
    crypto_generichash_update(&state_, head, sizeof(head));
    crypto_generichash_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()),
                              bytes.size());
    return *this;
  }

  FieldHash& Add(Tag tag, uint64_t number) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
    return Add(tag, std::string_view(bytes, sizeof(bytes)));
  }

  BlockName Finish() {
    BlockName name;
    crypto_generichash_final(&state_, reinterpret_cast<unsigned char*>(name.bytes.data()),
                             name.bytes.size());
    return name;
  }

 private:
  crypto_generichash_state state_;
};

}  // namespace

Scope MakeScope(const ScopeFields& fields) {
  QUIRE_CHECK(fields.tenant_secret.size() == 32, "a tenant's secret comes from TenantSecret");
  // The secret is key and field: as a key it makes roots unguessable, as a field it is counted.
  return {.root = FieldHash(fields.tenant_secret)
                      .Add(Tag::kScopeRoot, "quire block names 1")
                      .Add(Tag::kModelDigest, fields.model_digest)
                      .Add(Tag::kKvFormat, fields.kv_format)
                      .Add(Tag::kNumericsVersion, fields.numerics_version)
                      .Add(Tag::kTenantSecret, fields.tenant_secret)
                      .Add(Tag::kCacheSalt, fields.cache_salt)
                      .Finish(),
          .kin = {}};
}

std::string TenantSecret(std::string_view master_key, std::string_view tenant,
                         uint64_t generation) {
  QUIRE_CHECK(master_key.size() == 32, "the master key has 32 bytes");
  const BlockName secret = FieldHash(master_key)
                               .Add(Tag::kSecretKind, "quire tenant scope")
                               .Add(Tag::kTenantName, tenant)
                               .Add(Tag::kGeneration, generation)
                               .Finish();
  return std::string(reinterpret_cast<const char*>(secret.bytes.data()), secret.bytes.size());
}

KinKey TenantKin(std::string_view master_key, std::string_view tenant, uint64_t holder) {
  QUIRE_CHECK(master_key.size() == 32, "the master key has 32 bytes");
  const BlockName whole = FieldHash(master_key)
                              .Add(Tag::kSecretKind, "quire tenant fingerprints")
                              .Add(Tag::kTenantName, tenant)
                              .Add(Tag::kGeneration, holder)
                              .Finish();
  KinKey kin;
  static_assert(kin.size() == crypto_shorthash_KEYBYTES);
  std::memcpy(kin.data(), whole.bytes.data(), kin.size());
  return kin;
}

}  // namespace quire
