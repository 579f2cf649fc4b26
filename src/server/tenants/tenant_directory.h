// server/tenants/tenant_directory.h -- whose key is it, and what the engine is told of the tenants.
//
// Without a tenants file everybody is the one tenant "default", and an admin.
//
// Threads  immutable: any number of readers.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tenant.h"
#include "server/tenants/tenants_file.h"

namespace quire {

// Who sent a request.
struct Caller {
  std::string tenant = "default";
  bool admin = true;
  uint64_t generation = 0;  // of the tenant

  bool MaySee(std::string_view other) const { return admin || other == tenant; }
};

class TenantDirectory {
 public:
  TenantDirectory() = default;  // without a file
  // `before`: whom this one replaces. What a tenant of it that has gone left behind is purged.
  explicit TenantDirectory(TenantsFile file, const TenantDirectory* before = nullptr);

  bool needs_key() const { return file_.has_value(); }

  // The caller with one of these keys; nothing if none is known. Looks at all keys of all tenants,
  // whatever it finds.
  std::optional<Caller> Find(std::span<const std::string> keys) const;

  // For Engine::SetTenants.
  std::vector<Tenant> tenants() const;
  bool Contains(std::string_view name) const { return file_ && file_->Find(name) != nullptr; }

 private:
  std::optional<TenantsFile> file_;
  std::map<std::string, uint64_t> departed_;  // with the generation after their last
  // Tenant::holder of every name that was ever there: another one since nobody of the keys that a
  // name had was kept.
  std::map<std::string, uint64_t> holders_;
};

}  // namespace quire
