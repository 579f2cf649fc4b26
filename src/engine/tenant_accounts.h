// engine/tenant_accounts.h -- the tenants as owners of memory and of turns.
//
// A tenant gets an owner id when it is first named or described, and keeps it: blocks outlive the
// reload of a tenants file. Raising its generation forgets what it left behind.
//
// Threads  none: the engine thread owns it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cache/kv_cache.h"
#include "engine/tenant.h"
#include "sched/scheduler.h"

namespace quire {

class TenantAccounts {
 public:
  // `cache` and `scheduler` outlive it; nobody else adds owners to them. `first` is the tenant that
  // owns kFirstOwner.
  TenantAccounts(KvCache& cache, Scheduler& scheduler, uint64_t block_bytes);

  struct Account {
    OwnerId owner = kFirstOwner;
    uint64_t generation = 0;
    uint64_t holder = 0;
  };
  // A tenant that nobody described gets an account without guarantee or limits.
  const Account& Of(const std::string& tenant);
  // nullptr if it has none yet.
  const Account* Find(const std::string& tenant) const;

  // Describes tenants anew. Those that are missing keep what they use, but nothing is guaranteed to
  // them any more. Returns the blocks that were forgotten because a generation changed: their bytes
  // are to be wiped.
  std::vector<BlockId> Describe(std::span<const Tenant> tenants);

  struct Usage {
    std::string_view tenant;
    OwnerId owner = kFirstOwner;
    BlockCounts blocks;
    Quota quota;
  };
  std::vector<Usage> usage() const;

 private:
  Account& Add(const std::string& tenant);
  Quota QuotaOf(const Tenant& tenant) const;

  KvCache& cache_;
  Scheduler& scheduler_;
  const uint64_t block_bytes_;
  std::unordered_map<std::string, Account> accounts_;
};

}  // namespace quire
