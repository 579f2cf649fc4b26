#include "kernels/attention.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <vector>

#include "base/check.h"
#include "kernels/attention_table.h"
#include "kernels/dispatch.h"

namespace quire {
namespace {

const AttentionTable& Table() { return QUIRE_ISA_PICK(kAttention); }

struct AlignedDelete {
  void operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }
};

// How the cost of all units of all KV heads is cut into one stretch per worker. A unit across a cut
// is shared: the worker that has its first tile folds, the others keep the records of theirs, and
// whoever is done last folds those too. So the fold is the same left fold however it is cut.
class Cuts {
 public:
  Cuts(const AttentionPlan& plan, uint32_t kv_heads, uint32_t workers)
      : plan_(plan), cost_(plan.cost() * kv_heads), workers_(workers) {}

  // The tiles of `unit` of `kv_head` that `worker` computes.
  TileSpan TilesOf(const AttentionUnit& unit, uint32_t kv_head, uint32_t worker) const {
    return {TileAt(unit, kv_head, worker), TileAt(unit, kv_head, worker + 1)};
  }
  // How many workers have tiles of `unit`.
  uint32_t Sharers(const AttentionUnit& unit, uint32_t kv_head) const {
    uint32_t sharers = 0;
    for (uint32_t worker = 0; worker < workers_; ++worker) {
      const TileSpan tiles = TilesOf(unit, kv_head, worker);
      sharers += tiles.begin < tiles.end;
    }
    return sharers;
  }

 private:
  // The tile of `unit` before which cut number `cut` lies: the nearest start of a tile.
  uint32_t TileAt(const AttentionUnit& unit, uint32_t kv_head, uint32_t cut) const {
    const uint64_t place = cost_ * cut / workers_;
    uint64_t done = plan_.cost() * kv_head + unit.start;
    if (place <= done) return unit.tiles.begin;
    if (place >= done + unit.cost) return unit.tiles.end;
    uint32_t tile = unit.tiles.begin;
    for (; tile < unit.tiles.end; ++tile) {
      const uint64_t cost = plan_.TileCost(unit, tile);
      if (done + cost / 2 >= place) break;
      done += cost;
    }
    return tile;
  }

  const AttentionPlan& plan_;
  uint64_t cost_;
  uint32_t workers_;
};

void CheckShapes(const KvShape& kv, const AttentionShape& shape, const AttentionPlan& plan) {
  QUIRE_CHECK(kv.head_dim % 16 == 0 && kv.head_dim > 0 && kv.head_dim <= kMaxHeadDim);
  QUIRE_CHECK(shape.query_heads == kv.kv_heads * plan.group() && shape.query_heads > 0);
  QUIRE_CHECK(shape.layer < kv.layers);
  QUIRE_CHECK(shape.scale > 0);  // a masked score, -inf, must stay -inf
}

// Workers that have done their tiles of the unit which one worker began.
struct alignas(64) Arrivals {
  std::atomic<uint32_t> count{0};
};

}  // namespace

struct AttentionScratch::Storage {
  uint32_t head_dim;
  uint32_t max_positions;
  uint32_t workers;
  size_t kept_queries;  // per tile in `partials`
  size_t worker_floats;
  std::unique_ptr<float[], AlignedDelete> floats;
  std::vector<Arrivals> arrivals;  // [worker]; all zero between calls

  static size_t FixedFloats(uint32_t head_dim) {
    const size_t queries = size_t{kMaxUnitQueries} * head_dim;
    return queries + queries / 2 + kMaxUnitQueries + size_t{kMaxTileQueries} * kTileTokens +
           (kMaxTileQueries + kMaxUnitQueries) * RecordFloats(head_dim);
  }

  AttentionSpace SpaceOf(uint32_t worker) const {
    const size_t record = RecordFloats(head_dim);
    const size_t queries = size_t{kMaxUnitQueries} * head_dim;
    AttentionSpace space;
    space.packed = floats.get() + worker * worker_floats;
    float* const words = space.packed + queries;
    space.words = reinterpret_cast<int16_t*>(words);
    space.scores = words + queries / 2;
    space.records = space.scores + size_t{kMaxTileQueries} * kTileTokens;
    space.state = space.records + kMaxTileQueries * record;
    space.factors = space.state + kMaxUnitQueries * record;
    space.partials = space.factors + kMaxUnitQueries;
    return space;
  }
};

AttentionScratch::AttentionScratch(uint32_t max_rows, uint32_t query_heads, uint32_t head_dim,
                                   uint32_t max_positions, uint32_t workers) {
  QUIRE_CHECK(head_dim % 16 == 0 && workers > 0);
  const size_t tiles = max_positions / kTileTokens + 1;
  const size_t kept_queries = std::min<size_t>(kMaxUnitQueries, size_t{max_rows} * query_heads);
  const size_t worker_floats =
      Storage::FixedFloats(head_dim) + tiles * kept_queries * RecordFloats(head_dim);
  const size_t bytes = worker_floats * workers * sizeof(float);
  storage = new Storage{head_dim,
                        max_positions,
                        workers,
                        kept_queries,
                        worker_floats,
                        std::unique_ptr<float[], AlignedDelete>(
                            static_cast<float*>(::operator new[](bytes, std::align_val_t{64}))),
                        std::vector<Arrivals>(workers)};
}

AttentionScratch::~AttentionScratch() { delete storage; }

namespace {

// One worker's part of an Attention() call.
class AttentionPass {
 public:
  AttentionPass(const Worker& worker, const KvView& kv, const AttentionShape& shape,
                const AttentionPlan& plan, AttentionScratch::Storage& storage)
      : worker_(worker),
        kv_(kv),
        shape_(shape),
        plan_(plan),
        storage_(storage),
        cuts_(plan, kv.shape.kv_heads, worker.count()),
        space_(storage.SpaceOf(worker.index())) {}

  void Run(const float* q, float* out) const {
    for (uint32_t kv_head = 0; kv_head < kv_.shape.kv_heads; ++kv_head) {
      for (const AttentionUnit& unit : plan_.units()) {
        const TileSpan tiles = cuts_.TilesOf(unit, kv_head, worker_.index());
        if (tiles.begin >= tiles.end) continue;
        QUIRE_CHECK(unit.tiles.end <= storage_.max_positions / kTileTokens + 1 &&
                    unit.num_queries <= storage_.kept_queries);
        const AttentionJob job = JobOf(unit, kv_head, q, out);
        if (tiles.begin == unit.tiles.begin) {
          table_.fold(job, tiles, space_);
        } else {
          table_.keep(job, tiles, space_);
        }
        Complete(unit, kv_head, job);
      }
    }
  }

 private:
  AttentionJob JobOf(const AttentionUnit& unit, uint32_t kv_head, const float* q,
                     float* out) const {
    const KvShape& kv = kv_.shape;
    const std::span<const AttentionMember> members = plan_.MembersOf(unit);
    const size_t offset = size_t{kv_head} * plan_.group() * kv.head_dim;
    return {.keys = reinterpret_cast<const char*>(kv_.keys(shape_.layer, 0, kv_head)),
            .values = reinterpret_cast<const char*>(kv_.values(shape_.layer, 0, kv_head)),
            .block_bytes = kv.block_bytes(),
            .key_kind = kv.key_kind(),
            .value_kind = kv.value_kind(),
            .head_dim = kv.head_dim,
            .scale = shape_.scale,
            .window = plan_.window(),
            .q = q + offset,
            .out = out + offset,
            .row_floats = size_t{shape_.query_heads} * kv.head_dim,
            .group = plan_.group(),
            .members = members.data(),
            .num_members = unit.num_members,
            .num_queries = unit.num_queries};
  }

  // Finishes a unit of ours; a shared one only if the other workers are done with it.
  void Complete(const AttentionUnit& unit, uint32_t kv_head, const AttentionJob& job) const {
    const uint32_t sharers = cuts_.Sharers(unit, kv_head);
    if (sharers == 1) return table_.finish(job, space_.state);
    uint32_t first = 0;  // the worker that folds
    while (cuts_.TilesOf(unit, kv_head, first).end == unit.tiles.begin) ++first;
    std::atomic<uint32_t>& arrived = storage_.arrivals[first].count;
    if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 < sharers) return;
    arrived.store(0, std::memory_order_relaxed);
    float* const state = storage_.SpaceOf(first).state;
    for (uint32_t other = first + 1; other < worker_.count(); ++other) {
      const TileSpan tiles = cuts_.TilesOf(unit, kv_head, other);
      if (tiles.begin >= tiles.end) continue;
      table_.merge(job, tiles, storage_.SpaceOf(other).partials, state);
    }
    table_.finish(job, state);
  }

  const Worker& worker_;
  const KvView& kv_;
  const AttentionShape& shape_;
  const AttentionPlan& plan_;
  AttentionScratch::Storage& storage_;
  const Cuts cuts_;
  const AttentionSpace space_;
  const AttentionTable& table_ = Table();
};

}  // namespace

// Why nobody needs to wait: the unit across the end of a worker's stretch is its last, so the state
// folded for it stays where it is, and the one across its beginning is the only one it keeps.
void Attention(const Worker& worker, const KvView& kv, const AttentionShape& shape,
               const AttentionPlan& plan, const float* q, float* out, AttentionScratch& scratch) {
  CheckShapes(kv.shape, shape, plan);
  AttentionScratch::Storage& storage = *scratch.storage;
  QUIRE_CHECK(kv.shape.head_dim == storage.head_dim && worker.count() <= storage.workers);
  AttentionPass(worker, kv, shape, plan, storage).Run(q, out);
}

}  // namespace quire
