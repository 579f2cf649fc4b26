// server/tenants/tenant_key.h -- the secret by which a client proves who it is, and its hash.
//
// Keys are drawn with 256 random bits, so a plain hash of one tells nothing of it.
//
// Threads  pure functions.
#pragma once

#include <string>
#include <string_view>

namespace quire {

inline constexpr size_t kKeyHashDigits = 64;

// "quire-" and 43 letters, digits, '-' and '_'.
std::string NewTenantKey();

// BLAKE2b-256 in lower case hex.
std::string HashTenantKey(std::string_view key);

bool IsKeyHash(std::string_view text);

// Takes the same time wherever they differ.
bool SameKeyHash(std::string_view a, std::string_view b);

}  // namespace quire
