#include "engine/disk/disk_owner.h"

#include <sodium.h>

#include "base/check.h"
#include "cache/scope.h"
#include "tier/ssd/record_seal.h"

namespace quire {
namespace {

template <typename Out>
void Hash(Out& out, std::string_view text, const void* key, size_t key_bytes) {
  crypto_generichash(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     static_cast<const unsigned char*>(key), key_bytes);
}

}  // namespace

BlockOwnerPtr MakeBlockOwner(const std::string& scope_secret, std::string_view tenant,
                             uint64_t generation) {
  BlockOwner owner;
  owner.tag.generation = generation;
  Hash(owner.tag.tag, "owner of KV records: " + std::string(tenant), scope_secret.data(),
       scope_secret.size());
  const std::string secret = TenantSecret(scope_secret, tenant, generation);
  owner.key.resize(kOwnerKeyBytes);
  Hash(owner.key, "sealing of KV records", secret.data(), secret.size());
  return std::make_shared<const BlockOwner>(std::move(owner));
}

ShortTag RootTag(const BlockName& root) {
  ShortTag tag;
  Hash(tag, "root of KV records", root.bytes.data(), root.bytes.size());
  return tag;
}

}  // namespace quire
