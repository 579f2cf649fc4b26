#include "kernels/attention.h"

#include <algorithm>
#include <memory>
#include <new>

#include "base/check.h"
#include "kernels/attention_table.h"
#include "kernels/dispatch.h"

namespace quire {
namespace {

static_assert(kTileTokens % kBlockTokens == 0);
constexpr uint32_t kTileBlocks = kTileTokens / kBlockTokens;

// What loading a block costs a unit, in queries scored against it.
constexpr uint64_t kLoadCost = 2;

const AttentionTable& Table() { return QUIRE_ISA_PICK(kAttention); }

struct AlignedDelete {
  void operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }
};

// All arguments of one Attention() call, and what follows from them for every unit.
struct Batch {
  const KvView& kv;
  const AttentionShape& shape;
  std::span<const AttentionRows> rows;
  const float* q;
  float* out;

  uint32_t group() const { return shape.query_heads / kv.shape.kv_heads; }
  uint32_t window() const { return shape.window == 0 ? UINT32_MAX : shape.window; }
};

// A unit (attention_table.h) and what it costs. Its tiles are those that some query of it attends
// to; which of them take part in a query's fold depends on that query's position alone.
struct Unit {
  AttentionJob job;
  TileSpan tiles;
  uint32_t first_block;
  uint64_t start;       // cost of all units before it
  uint64_t block_cost;  // cost of one block of tokens
  uint64_t cost;
};

AttentionJob JobOf(const Batch& batch, const AttentionRows& rows, uint32_t kv_head) {
  const KvShape& kv = batch.kv.shape;
  const size_t row_floats = size_t{batch.shape.query_heads} * kv.head_dim;
  const size_t offset = rows.first_row * row_floats + size_t{kv_head} * batch.group() * kv.head_dim;
  return {.keys = reinterpret_cast<const char*>(batch.kv.keys(batch.shape.layer, 0, kv_head)),
          .values = reinterpret_cast<const char*>(batch.kv.values(batch.shape.layer, 0, kv_head)),
          .block_bytes = kv.block_layer_bytes(),
          .table = rows.table.data(),
          .num_blocks = static_cast<uint32_t>(rows.table.size()),
          .half = kv.format == KvFormat::kF16,
          .head_dim = kv.head_dim,
          .scale = batch.shape.scale,
          .window = batch.window(),
          .q = batch.q + offset,
          .out = batch.out + offset,
          .row_floats = row_floats,
          .group = batch.group(),
          .first_position = rows.first_position,
          .first_query = 0,
          .num_queries = 0};
}

Unit UnitOf(const AttentionJob& job, uint64_t start) {
  const uint32_t low = job.first_position + job.first_query / job.group;
  const uint32_t high = job.first_position + (job.first_query + job.num_queries - 1) / job.group;
  const uint32_t oldest = low >= job.window ? low - job.window + 1 : 0;
  const uint64_t block_cost = job.num_queries + kLoadCost;
  const uint32_t first_block = oldest / kBlockTokens;
  return {.job = job,
          .tiles = {oldest / kTileTokens, high / kTileTokens + 1},
          .first_block = first_block,
          .start = start,
          .block_cost = block_cost,
          .cost = block_cost * (high / kBlockTokens + 1 - first_block)};
}

// Visits all units in their order: sequences, KV heads, queries; returns the cost of all.
template <typename Visit>
uint64_t ForEachUnit(const Batch& batch, Visit&& visit) {
  uint64_t start = 0;
  for (const AttentionRows& rows : batch.rows) {
    const uint32_t queries = rows.num_rows * batch.group();
    const uint32_t units = (queries + kMaxUnitQueries - 1) / kMaxUnitQueries;
    for (uint32_t kv_head = 0; kv_head < batch.kv.shape.kv_heads; ++kv_head) {
      AttentionJob job = JobOf(batch, rows, kv_head);
      for (uint32_t i = 0; i < units; ++i) {
        job.first_query = static_cast<uint32_t>(uint64_t{queries} * i / units);
        const auto end = static_cast<uint32_t>(uint64_t{queries} * (i + 1) / units);
        job.num_queries = end - job.first_query;
        const Unit unit = UnitOf(job, start);
        visit(unit);
        start += unit.cost;
      }
    }
  }
  return start;
}

// How the cost of all units is cut into one stretch per worker. A unit across a cut is shared: the
// worker that has its first tile folds, the others keep the records of theirs, and after a barrier
// the first one folds those too. So the fold is the same left fold however it is cut.
class Cuts {
 public:
  Cuts(uint64_t cost, uint32_t workers) : cost_(cost), workers_(workers) {}

  uint32_t workers() const { return workers_; }

  // The tiles of `unit` that `worker` computes.
  TileSpan TilesOf(const Unit& unit, uint32_t worker) const {
    return {TileAt(unit, worker), TileAt(unit, worker + 1)};
  }
  bool Shared(const Unit& unit) const {
    for (uint32_t cut = 1; cut < workers_; ++cut) {
      const uint32_t tile = TileAt(unit, cut);
      if (tile != unit.tiles.begin && tile != unit.tiles.end) return true;
    }
    return false;
  }

 private:
  // The tile of `unit` before which cut number `cut` lies: the nearest start of a tile.
  uint32_t TileAt(const Unit& unit, uint32_t cut) const {
    const uint64_t place = cost_ * cut / workers_;
    if (place <= unit.start) return unit.tiles.begin;
    if (place >= unit.start + unit.cost) return unit.tiles.end;
    const uint64_t block = unit.first_block + (place - unit.start) / unit.block_cost;
    const auto tile = static_cast<uint32_t>((block + kTileBlocks / 2) / kTileBlocks);
    return std::clamp(tile, unit.tiles.begin, unit.tiles.end);
  }

  uint64_t cost_;
  uint32_t workers_;
};

void CheckBatch(const Batch& batch) {
  const KvShape& kv = batch.kv.shape;
  QUIRE_CHECK(kv.head_dim % 16 == 0 && kv.head_dim > 0);
  QUIRE_CHECK(batch.shape.query_heads % kv.kv_heads == 0 && batch.shape.query_heads > 0);
  QUIRE_CHECK(batch.shape.layer < kv.layers);
  QUIRE_CHECK(batch.shape.scale > 0);  // a masked score, -inf, must stay -inf
  for (const AttentionRows& rows : batch.rows) {
    QUIRE_CHECK(rows.table.size() * kBlockTokens >= size_t{rows.first_position} + rows.num_rows,
                "the table does not cover the rows");
  }
}

}  // namespace

struct AttentionScratch::Storage {
  uint32_t head_dim;
  uint32_t max_positions;
  uint32_t workers;
  size_t kept_queries;  // per tile in `partials`
  size_t worker_floats;
  std::unique_ptr<float[], AlignedDelete> floats;

  AttentionSpace SpaceOf(uint32_t worker) const {
    const size_t record = RecordFloats(head_dim);
    float* const packed = floats.get() + worker * worker_floats;
    float* const scores = packed + size_t{kMaxUnitQueries} * head_dim;
    float* const records = scores + size_t{kMaxTileQueries} * kTileTokens;
    float* const state = records + kMaxTileQueries * record;
    return {packed, scores, records, state, state + kMaxUnitQueries * record};
  }
};

AttentionScratch::AttentionScratch(uint32_t max_rows, uint32_t query_heads, uint32_t head_dim,
                                   uint32_t max_positions, uint32_t workers) {
  QUIRE_CHECK(head_dim % 16 == 0 && workers > 0);
  const size_t record = RecordFloats(head_dim);
  const size_t tiles = max_positions / kTileTokens + 1;
  const size_t kept_queries = std::min<size_t>(kMaxUnitQueries, size_t{max_rows} * query_heads);
  const size_t worker_floats = size_t{kMaxUnitQueries} * head_dim +
                               size_t{kMaxTileQueries} * kTileTokens +
                               (kMaxTileQueries + kMaxUnitQueries + tiles * kept_queries) * record;
  const size_t bytes = worker_floats * workers * sizeof(float);
  storage = new Storage{head_dim,
                        max_positions,
                        workers,
                        kept_queries,
                        worker_floats,
                        std::unique_ptr<float[], AlignedDelete>(
                            static_cast<float*>(::operator new[](bytes, std::align_val_t{64})))};
}

AttentionScratch::~AttentionScratch() { delete storage; }

void Attention(const Worker& worker, const KvView& kv, const AttentionShape& shape,
               std::span<const AttentionRows> rows, const float* q, float* out,
               AttentionScratch& scratch) {
  const Batch batch = {kv, shape, rows, q, out};
  CheckBatch(batch);
  const AttentionScratch::Storage& storage = *scratch.storage;
  QUIRE_CHECK(kv.shape.head_dim == storage.head_dim && worker.count() <= storage.workers);
  const AttentionTable& table = Table();
  const AttentionSpace space = storage.SpaceOf(worker.index());

  const Cuts cuts(ForEachUnit(batch, [](const Unit&) {}), worker.count());
  bool any_shared = false;
  Unit begun = {};  // the shared unit whose first tile is ours, if any
  ForEachUnit(batch, [&](const Unit& unit) {
    const TileSpan tiles = cuts.TilesOf(unit, worker.index());
    any_shared = any_shared || cuts.Shared(unit);
    if (tiles.begin >= tiles.end) return;
    QUIRE_CHECK(unit.tiles.end <= storage.max_positions / kTileTokens + 1 &&
                unit.job.num_queries <= storage.kept_queries);
    if (tiles.begin != unit.tiles.begin) {
      table.keep(unit.job, tiles, space);
      return;
    }
    table.fold(unit.job, tiles, space);
    if (tiles.end == unit.tiles.end) {
      table.finish(unit.job, space.state);
    } else {
      begun = unit;
    }
  });
  if (!any_shared) return;
  worker.Barrier();
  if (begun.cost == 0) return;
  for (uint32_t other = worker.index() + 1; other < worker.count(); ++other) {
    const TileSpan tiles = cuts.TilesOf(begun, other);
    if (tiles.begin >= tiles.end) continue;
    table.merge(begun.job, tiles, storage.SpaceOf(other).partials, space.state);
  }
  table.finish(begun.job, space.state);
}

}  // namespace quire
