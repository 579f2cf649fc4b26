#include "engine/tenant_accounts.h"

#include <algorithm>
#include <utility>

namespace quire {

TenantAccounts::TenantAccounts(KvCache& cache, Scheduler& scheduler, uint64_t block_bytes)
    : cache_(cache), scheduler_(scheduler), block_bytes_(block_bytes) {}

const TenantAccounts::Account& TenantAccounts::Of(const std::string& tenant) { return Add(tenant); }

const TenantAccounts::Account* TenantAccounts::Find(const std::string& tenant) const {
  const auto found = accounts_.find(tenant);
  return found == accounts_.end() ? nullptr : &found->second;
}

// The first one named takes the owner that is there from the start.
TenantAccounts::Account& TenantAccounts::Add(const std::string& tenant) {
  if (const auto found = accounts_.find(tenant); found != accounts_.end()) return found->second;
  Account account;
  if (!accounts_.empty()) {
    account.owner = cache_.AddOwner({});
    scheduler_.AddOwner({});
  }
  return accounts_.emplace(tenant, account).first->second;
}

Quota TenantAccounts::QuotaOf(const Tenant& tenant) const {
  const auto blocks = [this](uint64_t bytes) {
    return static_cast<uint32_t>(std::min<uint64_t>(bytes / block_bytes_, kNoLimit));
  };
  return {.guaranteed_blocks = blocks(tenant.kv_guaranteed_bytes),
          .limit_blocks = blocks(tenant.kv_limit_bytes),
          .pinned_blocks = blocks(tenant.kv_pinned_bytes),
          .weight = tenant.weight};
}

std::vector<BlockId> TenantAccounts::Describe(std::span<const Tenant> tenants) {
  for (const auto& [name, account] : accounts_) {
    Quota quota = cache_.quota(account.owner);
    quota.guaranteed_blocks = 0;
    cache_.SetQuota(account.owner, quota);
  }
  std::vector<BlockId> forgotten;
  for (const Tenant& tenant : tenants) {
    Account& account = Add(tenant.name);
    cache_.SetQuota(account.owner, QuotaOf(tenant));
    scheduler_.SetLimits(account.owner,
                         {.weight = tenant.weight, .max_running = tenant.max_concurrent});
    account.holder = tenant.holder;
    if (std::exchange(account.generation, tenant.generation) == tenant.generation) continue;
    const std::vector<BlockId> purged = cache_.Purge(account.owner);
    forgotten.insert(forgotten.end(), purged.begin(), purged.end());
  }
  return forgotten;
}

std::vector<TenantAccounts::Usage> TenantAccounts::usage() const {
  std::vector<Usage> all;
  for (const auto& [name, account] : accounts_) {
    all.push_back(
        {name, account.owner, cache_.pool().counts(account.owner), cache_.quota(account.owner)});
  }
  std::ranges::sort(all, {}, &Usage::tenant);
  return all;
}

}  // namespace quire
