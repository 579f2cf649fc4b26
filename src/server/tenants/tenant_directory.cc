#include "server/tenants/tenant_directory.h"

#include <algorithm>
#include <utility>

#include "server/tenants/tenant_key.h"

namespace quire {
namespace {

bool ShareKey(const TenantRecord& a, const TenantRecord& b) {
  return std::ranges::find_first_of(a.key_hashes, b.key_hashes) != a.key_hashes.end();
}

}  // namespace

TenantDirectory::TenantDirectory(TenantsFile file, const TenantDirectory* before)
    : file_(std::move(file)) {
  if (before == nullptr || !before->file_) return;
  departed_ = before->departed_;
  for (const TenantRecord& record : before->file_->tenants) {
    departed_[record.tenant.name] = record.tenant.generation + 1;
  }
  for (const TenantRecord& record : file_->tenants) departed_.erase(record.tenant.name);
  holders_ = before->holders_;
  for (const TenantRecord& record : file_->tenants) {
    const TenantRecord* then = before->file_->Find(record.tenant.name);
    if (then == nullptr || !ShareKey(*then, record)) ++holders_[record.tenant.name];
  }
}

std::optional<Caller> TenantDirectory::Find(std::span<const std::string> keys) const {
  if (!file_) return Caller{};
  const TenantRecord* found = nullptr;
  for (const std::string& key : keys) {
    const std::string hash = HashTenantKey(key);
    for (const TenantRecord& record : file_->tenants) {
      for (const std::string& known : record.key_hashes) {
        if (SameKeyHash(hash, known)) found = &record;
      }
    }
  }
  if (found == nullptr) return std::nullopt;
  return Caller{found->tenant.name, found->admin, found->tenant.generation};
}

std::vector<Tenant> TenantDirectory::tenants() const {
  std::vector<Tenant> all;
  if (!file_) return all;
  for (const TenantRecord& record : file_->tenants) {
    all.push_back(record.tenant);
    const auto holder = holders_.find(record.tenant.name);
    if (holder != holders_.end()) all.back().holder = holder->second;
  }
  for (const auto& [name, generation] : departed_) {
    Tenant gone;
    gone.name = name;
    gone.generation = generation;
    gone.kv_pinned_bytes = 0;
    all.push_back(std::move(gone));
  }
  return all;
}

}  // namespace quire
