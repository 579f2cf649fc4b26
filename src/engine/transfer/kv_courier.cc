#include "engine/transfer/kv_courier.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <future>
#include <utility>

#include "base/check.h"
#include "engine/disk/block_shape.h"
#include "engine/disk/disk_owner.h"
#include "engine/disk/kv_copy.h"
#include "engine/disk/kv_disk.h"
#include "engine/step_loop.h"
#include "tier/ssd/record_seal.h"

namespace quire {
namespace {

// What was brought is not evicted before its session goes on, if anything else will do.
constexpr TickMs kKeepMs = 30'000;
constexpr double kMsPerSecond = 1000;

GenerationRequest RequestOf(const KvChain& chain) {
  GenerationRequest request;
  request.tenant = chain.tenant;
  request.prompt = chain.tokens;
  return request;
}

std::span<const TokenId> TokensTo(const KvChain& chain, uint32_t blocks) {
  return std::span(chain.tokens).first(size_t{blocks} * kBlockTokens + 1);
}

}  // namespace

std::string_view InWords(PlaceFlaw flaw) {
  switch (flaw) {
    case PlaceFlaw::kNoRoom:
      return "there was no room for them in the KV memory";
    case PlaceFlaw::kGap:
      return "the blocks before them are not in memory any more";
    case PlaceFlaw::kPurged:
      return "the tenant was purged meanwhile";
    case PlaceFlaw::kNoAnswer:
      return "the engine had no moment for them in time";
    case PlaceFlaw::kNone:
      break;
  }
  return "";
}

// Where the bytes of some blocks go.
struct KvCourier::Copy {
  ParcelDraft draft;
  uint32_t first = 0;
  uint32_t count = 0;

  std::byte* At(uint32_t i, uint64_t block_bytes) {
    return reinterpret_cast<std::byte*>(draft.bytes.data()) + draft.blocks_at + i * block_bytes;
  }
};

KvCourier::KvCourier(Parts parts)
    : parts_(std::move(parts)), shape_(BlockShapeOf(parts_.view.shape)) {}

KvCourier::~KvCourier() = default;

bool KvCourier::has_aes() { return FastestCipher() == Cipher::kAesGcm; }

template <typename T>
std::optional<T> KvCourier::Ask(std::function<void(std::function<void(T)>)> task, Deadline until) {
  auto promise = std::make_shared<std::promise<T>>();
  std::future<T> future = promise->get_future();
  parts_.post([task = std::move(task), promise] {
    task([promise](T value) { promise->set_value(std::move(value)); });
  });
  promise.reset();  // only who may still answer holds it
  if (future.wait_until(until) != std::future_status::ready) return std::nullopt;
  try {
    return future.get();
  } catch (const std::future_error&) {  // dropped unanswered
    return std::nullopt;
  }
}

void KvCourier::SetGeneration(const std::string& tenant, uint64_t generation) {
  generations_[tenant] = generation;
}

uint64_t KvCourier::GenerationOf(const std::string& tenant) const {
  const auto found = generations_.find(tenant);
  return found == generations_.end() ? 0 : found->second;
}

KvChainPtr KvCourier::MakeChain(const std::string& tenant, std::vector<TokenId> tokens) {
  auto chain = std::make_shared<KvChain>();
  auto blocks = static_cast<uint32_t>(tokens.size() / kBlockTokens);
  tokens.resize(size_t{blocks} * kBlockTokens);
  tokens.push_back(0);  // blocks are looked up as long as a token follows
  chain->tenant = tenant;
  chain->tokens = std::move(tokens);
  const SequenceSpec spec = parts_.loop->SpecOf(RequestOf(*chain));
  if (!spec.lookup) blocks = 0;
  chain->owner = spec.owner;
  chain->public_blocks = std::min(spec.public_prefix.blocks, blocks);
  chain->names = BlockNames(spec.scope, spec.public_prefix);
  for (uint32_t i = 0; i < blocks; ++i) {
    chain->block_names.push_back(chain->names.Of(i, chain->tokens, kBlockTokens));
  }
  chain->root_tag = RootTag(spec.scope.root);
  chain->seal = MakeBlockOwner(parts_.scope_secret, tenant, GenerationOf(tenant));
  chain->identity = parts_.identity;
  const auto tag = std::as_bytes(std::span(chain->root_tag));
  chain->identity.scope.assign(reinterpret_cast<const char*>(tag.data()), tag.size());
  if (parts_.disk != nullptr) parts_.disk->AddOwner(chain->owner, tenant);
  return chain;
}

KvChainPtr KvCourier::Chain(const std::string& tenant, std::span<const TokenId> tokens,
                            Deadline until) {
  std::vector<TokenId> copy(tokens.begin(), tokens.end());
  auto chain = Ask<KvChainPtr>(
      [this, tenant, copy = std::move(copy)](auto answer) { answer(MakeChain(tenant, copy)); },
      until);
  return chain ? *std::move(chain) : nullptr;
}

KvCourier::Held KvCourier::HeldOf(const KvChainPtr& chain, Deadline until) {
  auto look = [this, chain](auto answer) {
    Held found;
    found.memory = parts_.loop->cache().CountCached(chain->names, chain->tokens) / kBlockTokens;
    const auto rest = std::span(chain->block_names).subspan(found.memory);
    if (parts_.disk != nullptr) found.disk = parts_.disk->CountFirst(rest);
    answer(found);
  };
  const auto held = Ask<Held>(std::move(look), until);
  return held.value_or(Held());
}

// Returns how many from `copy.first` on.
uint32_t KvCourier::CopyFromMemory(const KvChain& chain, Copy& copy) {
  KvCache& cache = parts_.loop->cache();
  BlockTable table(chain.owner);
  const uint32_t wanted = copy.first + copy.count;
  const uint32_t found = cache.Match(chain.names, TokensTo(chain, wanted), table) / kBlockTokens;
  uint32_t count = 0;
  for (uint32_t i = copy.first; i < found; ++i, ++count) {
    CopyFromArena(parts_.view, table[i], copy.At(count, shape_.block_bytes()));
  }
  cache.Release(table);
  return count;
}

void KvCourier::FetchThen(const KvChain& chain, uint32_t first, uint32_t count,
                          std::function<void(std::vector<std::byte>, uint32_t)> done) {
  if (parts_.disk == nullptr || count == 0) return done({}, 0);
  const auto names = std::span(chain.block_names).subspan(first, count);
  const auto tokens =
      std::span(chain.tokens).subspan(size_t{first} * kBlockTokens, size_t{count} * kBlockTokens);
  parts_.disk->Fetch({.owner = chain.seal,
                      .root_tag = chain.root_tag,
                      .parent = first == 0 ? BlockName() : chain.block_names[first - 1],
                      .names = {names.begin(), names.end()},
                      .tokens = {tokens.begin(), tokens.end()},
                      .done = std::move(done)});
}

std::string KvCourier::Collect(const KvChainPtr& chain, uint32_t first, uint32_t count,
                               std::string_view way, bool aes) {
  if (first < chain->public_blocks || first >= chain->num_blocks()) return {};
  auto copy = std::make_shared<Copy>();
  copy->first = first;
  copy->count = std::min({count, parcel_blocks(), chain->num_blocks() - first});
  if (copy->count == 0) return {};
  copy->draft = BeginParcel(shape_, copy->count);
  auto collect = [this, chain, copy](auto answer) {
    const uint32_t found = CopyFromMemory(*chain, *copy);
    auto take = [this, copy, found, answer](const std::vector<std::byte>& blocks, uint32_t more) {
      std::memcpy(copy->At(found, shape_.block_bytes()), blocks.data(), blocks.size());
      answer(found + more);
    };
    FetchThen(*chain, copy->first + found, copy->count - found, std::move(take));
  };
  const auto good = Ask<uint32_t>(std::move(collect), Soon());
  if (!good || *good == 0) return {};
  return SealParcel(*chain, shape_, std::move(copy->draft), first, *good, way, aes);
}

KvCourier::Placed KvCourier::PlaceNow(const KvChain& chain, uint32_t first, uint32_t count,
                                      const std::byte* blocks, From from) {
  Placed placed{.flaw = PlaceFlaw::kPurged};
  if (chain.seal->tag.generation != GenerationOf(chain.tenant)) return placed;
  KvCache& cache = parts_.loop->cache();
  cache.SetTime(std::max(cache.now(), static_cast<TickMs>(SteadySeconds() * kMsPerSecond)));
  BlockTable table(chain.owner);
  const uint32_t end = first + count;
  const auto tokens = TokensTo(chain, end);
  const uint32_t found = cache.Match(chain.names, tokens, table) / kBlockTokens;
  placed.held = std::min(found - std::min(first, found), count);
  placed.flaw = found < first ? PlaceFlaw::kGap : PlaceFlaw::kNone;
  const bool wanted = found >= first && found < end;
  const bool goes_on = wanted && cache.Grow(table, end * kBlockTokens, EvictionReason::kPrefill);
  if (goes_on) {
    for (uint32_t i = found; i < end; ++i) {
      CopyToArena(blocks + (i - first) * shape_.block_bytes(), parts_.view, table[i]);
    }
    cache.Commit(chain.names, tokens, end * kBlockTokens, table);
    if (from == From::kAfar) cache.NoteBrought(table, found);
    cache.Keep(table, {.kept_until = cache.now() + kKeepMs});
    placed.taken = count - placed.held;
  }
  if (wanted && !goes_on) placed.flaw = PlaceFlaw::kNoRoom;
  cache.Release(table);
  return placed;
}

uint32_t KvCourier::Lift(const KvChainPtr& chain, uint32_t first, uint32_t count, Deadline until) {
  uint32_t lifted = 0;
  while (lifted < count) {
    const uint32_t wanted = std::min(parcel_blocks(), count - lifted);
    auto lift = [this, chain, at = first + lifted, wanted](auto answer) {
      auto place = [this, chain, at, answer](const std::vector<std::byte>& blocks, uint32_t good) {
        Placed placed;
        if (good > 0) placed = PlaceNow(*chain, at, good, blocks.data(), From::kDisk);
        answer(placed.taken + placed.held);
      };
      FetchThen(*chain, at, wanted, std::move(place));
    };
    const auto done = Ask<uint32_t>(std::move(lift), until);
    lifted += done.value_or(0);
    if (!done || *done < wanted) break;
  }
  return lifted;
}

KvCourier::Placed KvCourier::Place(const KvChainPtr& chain, const OpenedParcel& opened,
                                   Deadline until) {
  if (opened.count == 0) return {};
  // What the task refers to outlives this call: it may be late.
  const auto blocks =
      std::make_shared<std::vector<std::byte>>(opened.blocks.begin(), opened.blocks.end());
  auto place = [this, chain, blocks, first = opened.first, count = opened.count](auto answer) {
    answer(PlaceNow(*chain, first, count, blocks->data(), From::kAfar));
  };
  const auto placed = Ask<Placed>(std::move(place), until);
  return placed.value_or(Placed{.flaw = PlaceFlaw::kNoAnswer});
}

}  // namespace quire
