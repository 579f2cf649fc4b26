// cache/scope.h -- who may share KV: the root of all block names of one tenant and one model.
//
// A scope is a security boundary. Its root covers everything that decides the bytes of a block
// besides the tokens, and the secret of the tenant, so that blocks of two scopes never have the
// same name. Fields are hashed as (tag, length, bytes): no two different lists of fields can be
// spelled the same way.
//
// Threads  pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "cache/block_name.h"

namespace quire {

// Keys the fingerprints by which a tenant's texts are recognised whatever they are named under
// (seen_blocks.h).
using KinKey = std::array<unsigned char, 16>;

struct Scope {
  BlockName root;
  KinKey kin{};
  bool operator==(const Scope&) const = default;
};

struct ScopeFields {
  std::string_view model_digest;  // of weights and configuration, not of the file's name
  std::string_view kv_format;     // "f16", "q8", ...
  uint32_t numerics_version = 0;
  std::string_view tenant_secret;  // from TenantSecret
  std::string_view cache_salt;     // chosen by the caller; empty: none
};

Scope MakeScope(const ScopeFields& fields);

// KDF(master key, tenant, generation): 32 bytes. Raising the generation makes all that the tenant
// left behind unreachable. `master_key` has 32 bytes.
std::string TenantSecret(std::string_view master_key, std::string_view tenant, uint64_t generation);

// The same for one holder of the tenant's name, over all generations.
KinKey TenantKin(std::string_view master_key, std::string_view tenant, uint64_t holder);

}  // namespace quire
