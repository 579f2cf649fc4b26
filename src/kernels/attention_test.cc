#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/ops.h"

namespace quire {
namespace {

struct Case {
  uint32_t query_heads;
  uint32_t kv_heads;
  uint32_t head_dim;
  uint32_t window;
  KvFormat format;
};

// Random keys, values and queries of one sequence, by position.
struct Text {
  Text(const Case& c, uint32_t length, uint32_t seed)
      : k(length * c.kv_heads * c.head_dim),
        v(length * c.kv_heads * c.head_dim),
        q(length * c.query_heads * c.head_dim) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal(0.0f, 1.5f);
    for (auto* values : {&k, &v, &q}) {
      for (float& x : *values) x = normal(generator);
    }
  }
  std::vector<float> k, v, q;
};

// An arena whose every byte is `poison` (0xff: NaN in both formats) until a token is stored.
class Arena {
 public:
  Arena(const Case& c, uint32_t num_blocks, int poison = 0xff)
      : case_(c), bytes_(size_t{2} * num_blocks * Shape(c).block_layer_bytes() + 64) {
    std::memset(bytes_.data(), poison, bytes_.size());
    void* base = bytes_.data();
    size_t space = bytes_.size();
    std::align(64, space - 64, base, space);
    view_ = {static_cast<std::byte*>(base), Shape(c), num_blocks};
  }
  static KvShape Shape(const Case& c) {
    return {.layers = 2, .kv_heads = c.kv_heads, .head_dim = c.head_dim, .format = c.format};
  }
  const KvView& view() const { return view_; }

  void Store(const Text& text, const std::vector<uint32_t>& table, uint32_t begin, uint32_t end) {
    const size_t row = size_t{case_.kv_heads} * case_.head_dim;
    for (uint32_t t = begin; t < end; ++t) {
      StoreKv(view_, 1, table[t / kBlockTokens], t % kBlockTokens, &text.k[t * row],
              &text.v[t * row]);
    }
  }

  // Keys and values as numbers: in eight bits without their scale, which is 1 for other kinds.
  float Key(uint32_t block, uint32_t kv_head, uint32_t t, uint32_t d) const {
    const std::byte* p = view_.keys(1, block, kv_head);
    t %= kBlockTokens;
    if (view_.shape.key_kind() != KvKind::kInt8) {
      return Number(p, view_.shape.key_kind(), d * kBlockTokens + t);
    }
    return Number(p, KvKind::kInt8, (d / 4 * kBlockTokens + t) * 4 + d % 4);
  }
  float ValueOf(uint32_t block, uint32_t kv_head, uint32_t t, uint32_t d) const {
    return Number(view_.values(1, block, kv_head), view_.shape.value_kind(),
                  t % kBlockTokens * case_.head_dim + d);
  }
  float KeyScale(uint32_t block, uint32_t kv_head, uint32_t t) const {
    if (view_.shape.key_kind() != KvKind::kInt8) return 1;
    return ScaleAfter(view_.keys(1, block, kv_head), t);
  }
  float ValueScale(uint32_t block, uint32_t kv_head, uint32_t t) const {
    if (view_.shape.value_kind() != KvKind::kInt8) return 1;
    return ScaleAfter(view_.values(1, block, kv_head), t);
  }

 private:
  static float Number(const std::byte* p, KvKind kind, size_t index) {
    if (kind == KvKind::kFloat) return reinterpret_cast<const float*>(p)[index];
    if (kind == KvKind::kInt8) return reinterpret_cast<const int8_t*>(p)[index];
    return static_cast<float>(reinterpret_cast<const _Float16*>(p)[index]);
  }
  float ScaleAfter(const std::byte* p, uint32_t t) const {
    return reinterpret_cast<const float*>(p + case_.head_dim * kBlockTokens)[t % kBlockTokens];
  }

  Case case_;
  std::vector<std::byte> bytes_;
  KvView view_;
};

std::vector<uint32_t> ShuffledTable(uint32_t num_blocks, uint32_t seed) {
  std::vector<uint32_t> table(num_blocks);
  std::iota(table.begin(), table.end(), 0u);
  std::shuffle(table.begin(), table.end(), std::mt19937(seed));
  return table;
}

AttentionShape ShapeOf(const Case& c) {
  return {.layer = 1,
          .query_heads = c.query_heads,
          .scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim))};
}

struct Chunk {
  const Text* text;
  const std::vector<uint32_t>* table;
  uint32_t begin;
  uint32_t end;
};

// Attention of several chunks in one call; the rows of all, one after another.
std::vector<float> Attend(const Case& c, const Arena& arena, const std::vector<Chunk>& chunks,
                          uint32_t workers = 1) {
  const size_t row = size_t{c.query_heads} * c.head_dim;
  std::vector<float> q;
  std::vector<AttentionRows> rows;
  uint32_t longest = 0;
  for (const Chunk& chunk : chunks) {
    rows.push_back({.first_row = static_cast<uint32_t>(q.size() / row),
                    .num_rows = chunk.end - chunk.begin,
                    .first_position = chunk.begin,
                    .table = *chunk.table});
    q.insert(q.end(), &chunk.text->q[chunk.begin * row], &chunk.text->q[0] + chunk.end * row);
    longest = std::max(longest, chunk.end);
  }
  std::vector<float> out(q.size(), std::numeric_limits<float>::quiet_NaN());
  AttentionScratch scratch(static_cast<uint32_t>(q.size() / row), c.query_heads, c.head_dim,
                           longest, workers);
  AttentionPlan plan(static_cast<uint32_t>(q.size() / row), c.query_heads / c.kv_heads);
  plan.Fill(rows, c.window);
  WorkerPool pool(workers);
  pool.Run([&](const Worker& worker) {
    Attention(worker, arena.view(), ShapeOf(c), plan, q.data(), out.data(), scratch);
  });
  return out;
}

uint32_t RotationOf(uint32_t head_dim) {
  uint32_t size = 1;
  while (head_dim % (2 * size) == 0) size *= 2;
  return size;
}

// The Hadamard transform of head_quant.h, an element at a time.
std::vector<float> Rotated(const float* x, uint32_t head_dim) {
  std::vector<float> now(x, x + head_dim);
  for (uint32_t step = 1; step < RotationOf(head_dim); step *= 2) {
    const std::vector<float> before = now;
    for (uint32_t d = 0; d < head_dim; ++d) {
      const bool second = (d & step) != 0;
      now[d] = second ? before[d - step] - before[d] : before[d] + before[d + step];
    }
  }
  return now;
}

struct Integers {
  std::vector<int> values;
  float scale;
};
Integers Quantised(const std::vector<float>& x, float limit) {
  float largest = 0;
  for (const float one : x) largest = std::max(largest, std::abs(one));
  if (largest < 0x1p-60f) return {std::vector<int>(x.size(), 0), 0.0f};
  Integers integers{{}, largest / limit};
  for (const float one : x) {
    integers.values.push_back(static_cast<int>(std::nearbyint(one * (limit / largest))));
  }
  return integers;
}

// The float operations that attention.h defines, one at a time, for one row and head.
struct ScalarAttention {
  const Case& c;
  const Arena& arena;
  const Chunk& chunk;
  uint32_t position;
  uint32_t head;

  uint32_t kv_head() const { return head / (c.query_heads / c.kv_heads); }
  uint32_t BlockOf(uint32_t t) const { return (*chunk.table)[t / kBlockTokens]; }
  const float* q() const {
    return &chunk.text->q[(size_t{position} * c.query_heads + head) * c.head_dim];
  }

  float Score(uint32_t t) const {
    if (c.format == KvFormat::kQ8) return ScoreOfIntegers(t);
    float sum = 0;
    for (uint32_t d = 0; d < c.head_dim; ++d) {
      sum = std::fma(q()[d], arena.Key(BlockOf(t), kv_head(), t, d), sum);
    }
    return sum * ShapeOf(c).scale;
  }
  float ScoreOfIntegers(uint32_t t) const {
    const Integers query = Quantised(Rotated(q(), c.head_dim), 32767.0f);
    int sum = 0;
    for (uint32_t d = 0; d < c.head_dim; ++d) {
      sum += query.values[d] * static_cast<int>(arena.Key(BlockOf(t), kv_head(), t, d));
    }
    const float factor =
        query.scale * (ShapeOf(c).scale / static_cast<float>(RotationOf(c.head_dim)));
    return static_cast<float>(sum) * arena.KeyScale(BlockOf(t), kv_head(), t) * factor;
  }
  float ValueAt(uint32_t t, uint32_t d) const { return arena.ValueOf(BlockOf(t), kv_head(), t, d); }
  float ValueScale(uint32_t t) const { return arena.ValueScale(BlockOf(t), kv_head(), t); }
  uint32_t oldest() const {
    return c.window == 0 || position < c.window ? 0 : position - c.window + 1;
  }

  void Run(float* out) const {
    std::vector<float> acc(c.head_dim, 0.0f);
    float max = -std::numeric_limits<float>::infinity();
    float sum = 0;
    for (uint32_t tile = oldest() / kTileTokens; tile <= position / kTileTokens; ++tile) {
      const uint32_t begin = std::max(oldest(), tile * kTileTokens);
      const uint32_t end = std::min(position + 1, (tile + 1) * kTileTokens);
      std::vector<float> p;
      for (uint32_t t = begin; t < end; ++t) p.push_back(Score(t));
      const float tile_max = *std::max_element(p.begin(), p.end());
      float lanes[16] = {};
      for (uint32_t t = begin; t < end; ++t) {
        p[t - begin] = Exp(p[t - begin] - tile_max);
        lanes[t % 16] += p[t - begin];
      }
      for (uint32_t half = 8; half > 0; half /= 2) {
        for (uint32_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
      }
      for (uint32_t t = begin; t < end; ++t) p[t - begin] *= ValueScale(t);
      const float new_max = std::max(max, tile_max);
      const float old_weight = Exp(max - new_max);
      const float tile_weight = Exp(tile_max - new_max);
      for (uint32_t d = 0; d < c.head_dim; ++d) {
        float tile_acc = 0;
        for (uint32_t t = begin; t < end; ++t) {
          tile_acc = std::fma(p[t - begin], ValueAt(t, d), tile_acc);
        }
        acc[d] = std::fma(acc[d], old_weight, tile_acc * tile_weight);
      }
      sum = std::fma(sum, old_weight, lanes[0] * tile_weight);
      max = new_max;
    }
    const float factor = 1.0f / sum;
    for (uint32_t d = 0; d < c.head_dim; ++d) out[d] = acc[d] * factor + 0.0f;
  }

  // The same formula in double, without tiles.
  void RunExact(double* out) const {
    std::vector<double> p;
    for (uint32_t t = oldest(); t <= position; ++t) p.push_back(Score(t));
    const double max = *std::max_element(p.begin(), p.end());
    double sum = 0;
    for (double& x : p) sum += x = std::exp(x - max);
    for (uint32_t d = 0; d < c.head_dim; ++d) {
      out[d] = 0;
      for (uint32_t t = oldest(); t <= position; ++t) {
        out[d] += p[t - oldest()] / sum * ValueAt(t, d) * ValueScale(t);
      }
    }
  }
};

std::string NameOf(const Case& c) {
  return std::to_string(c.query_heads) + "/" + std::to_string(c.kv_heads) + " heads of " +
         std::to_string(c.head_dim) + ", window " + std::to_string(c.window) + ", " +
         std::string(KvFormatName(c.format));
}

void ExpectSameBits(const std::vector<float>& got, const std::vector<float>& expected,
                    const std::string& what) {
  ASSERT_EQ(got.size(), expected.size());
  size_t wrong = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    wrong += std::memcmp(&got[i], &expected[i], sizeof(float)) != 0;
  }
  EXPECT_EQ(wrong, 0u) << what;
}

void CheckAgainstScalar(const Case& c, uint32_t begin, uint32_t end) {
  const Text text(c, end, begin + c.head_dim);
  const auto table = ShuffledTable((end + kBlockTokens - 1) / kBlockTokens + 3, end);
  Arena arena(c, static_cast<uint32_t>(table.size()));
  arena.Store(text, table, 0, end);
  const Chunk chunk = {&text, &table, begin, end};
  std::vector<float> expected((end - begin) * c.query_heads * c.head_dim);
  double worst = 0;
  WorkerPool(1).Run([&](const Worker&) {  // for the float mode of a worker
    std::vector<double> exact(c.head_dim);
    for (uint32_t i = 0; i < (end - begin) * c.query_heads; ++i) {
      const ScalarAttention scalar = {c, arena, chunk, begin + i / c.query_heads,
                                      i % c.query_heads};
      scalar.Run(&expected[size_t{i} * c.head_dim]);
      scalar.RunExact(exact.data());
      for (uint32_t d = 0; d < c.head_dim; ++d) {
        worst = std::max(worst, std::abs(exact[d] - expected[size_t{i} * c.head_dim + d]));
      }
    }
  });
  EXPECT_LT(worst, 1e-5) << NameOf(c);  // values are about 1.5
  for (const Isa isa : AvailableIsas()) {
    SelectIsa(isa);
    ExpectSameBits(
        Attend(c, arena, {chunk}), expected,
        NameOf(c) + " on " + std::string(IsaName(isa)) + " from " + std::to_string(begin));
  }
}

TEST(Attention, IsTheDefinedSequenceOfFloatOperations) {
  const Case cases[] = {
      {9, 3, 64, 0, KvFormat::kF16},    {14, 2, 64, 0, KvFormat::kF16},
      {4, 1, 256, 0, KvFormat::kF16},   {4, 1, 256, 40, KvFormat::kF16},
      {2, 2, 80, 0, KvFormat::kF16},    {3, 1, 96, 270, KvFormat::kF16},
      {5, 1, 112, 1, KvFormat::kF16},   {12, 2, 128, 0, KvFormat::kF16},
      {9, 3, 64, 0, KvFormat::kF32},    {4, 1, 256, 100, KvFormat::kF32},
      {2, 2, 16, 0, KvFormat::kF32},    {71, 1, 64, 0, KvFormat::kF16},
      {9, 3, 64, 0, KvFormat::kQ8},     {4, 1, 256, 40, KvFormat::kQ8},
      {2, 2, 80, 0, KvFormat::kQ8},     {3, 1, 96, 270, KvFormat::kQ8},
      {12, 2, 128, 0, KvFormat::kQ8},   {71, 1, 64, 0, KvFormat::kQ8},
      {2, 2, 16, 0, KvFormat::kQ8},     {5, 1, 112, 1, KvFormat::kQ8},
      {14, 2, 64, 0, KvFormat::kK16V8}, {2, 1, 80, 100, KvFormat::kK16V8},
      {6, 2, 128, 0, KvFormat::kK16V8}, {4, 1, 256, 0, KvFormat::kK16V8},
  };
  for (const Case& c : cases) {
    CheckAgainstScalar(c, 0, 5);
    CheckAgainstScalar(c, 250, 263);
    CheckAgainstScalar(c, 601, 602);
  }
}

// Computes `text` in chunks of `size` tokens, each stored just before it attends, and returns all
// rows.
std::vector<float> InChunks(const Case& c, const Text& text, uint32_t length, uint32_t size,
                            uint32_t workers) {
  const auto table = ShuffledTable((length + kBlockTokens - 1) / kBlockTokens, size);
  Arena arena(c, static_cast<uint32_t>(table.size()));
  std::vector<float> all;
  for (uint32_t begin = 0; begin < length; begin += size) {
    const uint32_t end = std::min(begin + size, length);
    arena.Store(text, table, begin, end);
    const std::vector<float> rows = Attend(c, arena, {{&text, &table, begin, end}}, workers);
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

TEST(Attention, DoesNotDependOnChunksOrWorkers) {
  const Case cases[] = {{3, 1, 64, 0, KvFormat::kF16},   {9, 3, 64, 70, KvFormat::kF16},
                        {2, 2, 80, 300, KvFormat::kF32}, {4, 1, 256, 512, KvFormat::kF16},
                        {9, 3, 64, 70, KvFormat::kQ8},   {4, 1, 96, 0, KvFormat::kQ8},
                        {7, 1, 64, 0, KvFormat::kK16V8}};
  constexpr uint32_t kLength = 540;
  for (const Case& c : cases) {
    const Text text(c, kLength, 9);
    SelectIsa(AvailableIsas().back());
    const std::vector<float> whole = InChunks(c, text, kLength, kLength, 1);
    for (const uint32_t workers : {1u, 2u, 3u}) {
      for (const uint32_t size : {1u, 7u, 16u, 64u, kLength}) {
        const Isa isa = AvailableIsas()[(size + workers) % AvailableIsas().size()];
        if (isa == Isa::kPortable && size != 64) continue;  // slow
        SelectIsa(isa);
        ExpectSameBits(InChunks(c, text, kLength, size, workers), whole,
                       NameOf(c) + " chunk " + std::to_string(size) + " workers " +
                           std::to_string(workers) + " " + std::string(IsaName(isa)));
      }
    }
  }
  SelectIsa(AvailableIsas().back());
}

TEST(Attention, DoesNotDependOnTheBatch) {
  for (const Case& c : {Case{9, 3, 64, 0, KvFormat::kF16}, Case{4, 1, 128, 50, KvFormat::kF16},
                        Case{14, 2, 64, 0, KvFormat::kF32}, Case{14, 2, 64, 0, KvFormat::kQ8},
                        Case{6, 1, 128, 90, KvFormat::kK16V8}}) {
    const uint32_t lengths[] = {1, 700, 17, 300, 1100, 256, 257};
    const uint32_t rows[] = {1, 1, 17, 40, 1, 3, 1};
    std::vector<Text> texts;
    std::vector<std::vector<uint32_t>> tables(7);
    const auto ids = ShuffledTable(200, 3);
    Arena arena(c, 200);
    uint32_t used = 0;
    for (uint32_t i = 0; i < 7; ++i) {
      texts.emplace_back(c, lengths[i], 100 + i);
      const uint32_t blocks = (lengths[i] + kBlockTokens - 1) / kBlockTokens;
      tables[i].assign(ids.begin() + used, ids.begin() + used + blocks);
      used += blocks;
      arena.Store(texts[i], tables[i], 0, lengths[i]);
    }
    std::vector<Chunk> chunks;
    std::vector<float> alone;
    for (uint32_t i = 0; i < 7; ++i) {
      chunks.push_back({&texts[i], &tables[i], lengths[i] - rows[i], lengths[i]});
      const std::vector<float> one = Attend(c, arena, {chunks.back()});
      alone.insert(alone.end(), one.begin(), one.end());
    }
    for (const uint32_t workers : {1u, 2u, 3u, 5u}) {
      ExpectSameBits(Attend(c, arena, chunks, workers), alone,
                     NameOf(c) + " workers " + std::to_string(workers));
    }
  }
}

// Sequences that begin like an earlier one, up to a random block, and what each computes.
struct Family {
  Family(const Case& c, uint32_t blocks, std::mt19937& random) {
    const uint32_t sequences = 2 + random() % 5;
    std::vector<uint32_t> ids = ShuffledTable(blocks, random());
    for (uint32_t i = 0; i < sequences; ++i) {
      const uint32_t length = 1 + random() % 800;
      std::vector<uint32_t> table((length + kBlockTokens - 1) / kBlockTokens);
      size_t shared = 0;
      if (i > 0) {
        const std::vector<uint32_t>& parent = tables[random() % i];
        shared = std::min(parent.size(), table.size());
        if (random() % 3 == 0) shared = random() % (shared + 1);
        std::copy_n(parent.begin(), shared, table.begin());
      }
      for (size_t j = shared; j < table.size(); ++j) {
        table[j] = ids.back();
        ids.pop_back();
      }
      const uint32_t rows = random() % 2 == 0 ? 1 : 1 + random() % std::min(length, 20u);
      if (c.window > 0 && length > rows + c.window) {  // blocks out of every window were given away
        const uint32_t oldest = length - rows - c.window + 1;
        std::fill_n(table.begin(), oldest / kBlockTokens, random() % blocks);
      }
      texts.emplace_back(c, length, random());
      tables.push_back(table);
      ends.push_back({length - rows, length});
    }
  }

  std::vector<Chunk> chunks() const {
    std::vector<Chunk> all;
    for (size_t i = 0; i < texts.size(); ++i) {
      all.push_back({&texts[i], &tables[i], ends[i].first, ends[i].second});
    }
    return all;
  }

  std::vector<Text> texts;
  std::vector<std::vector<uint32_t>> tables;
  std::vector<std::pair<uint32_t, uint32_t>> ends;
};

std::vector<float> ScalarRows(const Case& c, const Arena& arena, const std::vector<Chunk>& chunks) {
  std::vector<float> rows;
  WorkerPool(1).Run([&](const Worker&) {
    for (const Chunk& chunk : chunks) {
      for (uint32_t position = chunk.begin; position < chunk.end; ++position) {
        for (uint32_t head = 0; head < c.query_heads; ++head) {
          rows.resize(rows.size() + c.head_dim);
          ScalarAttention{c, arena, chunk, position, head}.Run(&rows[rows.size() - c.head_dim]);
        }
      }
    }
  });
  return rows;
}

TEST(Attention, OfSequencesThatShareBlocksIsThatOfEachAlone) {
  constexpr uint32_t kBlocks = 320;
  constexpr KvFormat kFormats[] = {KvFormat::kF16, KvFormat::kQ8, KvFormat::kK16V8, KvFormat::kF32};
  std::mt19937 random(2026);
  uint32_t round = 0;
  for (const uint32_t head_dim : {64u, 80u, 96u, 128u, 256u}) {
    for (const KvFormat format : kFormats) {
      const uint32_t kv_heads = head_dim > 64 ? 1 : 2;
      const Case c = {kv_heads * (1 + static_cast<uint32_t>(random() % 3)), kv_heads, head_dim,
                      round % 3 == 2 ? 300u : 0u, format};
      Arena arena(c, kBlocks);
      const Text text(c, kBlocks * kBlockTokens, random());
      arena.Store(text, ShuffledTable(kBlocks, 1), 0, kBlocks * kBlockTokens);
      const Family family(c, kBlocks, random);
      const std::vector<float> expected = ScalarRows(c, arena, family.chunks());
      for (const Isa isa : AvailableIsas()) {
        SelectIsa(isa);
        const uint32_t workers = 1 + round++ % 4;
        ExpectSameBits(
            Attend(c, arena, family.chunks(), workers), expected,
            NameOf(c) + " on " + std::string(IsaName(isa)) + " workers " + std::to_string(workers));
      }
    }
  }
}

TEST(Attention, DoesNotDependOnHowManyWorkersShareARow) {
  const Case c = {3, 1, 64, 0, KvFormat::kF16};
  constexpr uint32_t kLength = 2100;  // 9 tiles of one unit
  const Text text(c, kLength, 4);
  const auto table = ShuffledTable(kLength / kBlockTokens + 1, 5);
  Arena arena(c, static_cast<uint32_t>(table.size()));
  arena.Store(text, table, 0, kLength);
  for (const uint32_t rows : {1u, 5u}) {
    const Chunk chunk = {&text, &table, kLength - rows, kLength};
    const std::vector<float> expected = Attend(c, arena, {chunk}, 1);
    for (uint32_t workers = 2; workers <= 6; ++workers) {
      ExpectSameBits(Attend(c, arena, {chunk}, workers), expected, std::to_string(workers));
    }
  }
}

// A constant, so that another compiler, library or CPU that changes a bit is found where it runs.
TEST(Golden, AttentionKeepsItsBits) {
  const Case c = {6, 2, 64, 0, KvFormat::kF16};
  constexpr uint32_t kLength = 600;
  Text text(c, kLength, 0);
  uint32_t state = 12345;
  for (auto* values : {&text.k, &text.v, &text.q}) {
    for (float& x : *values) {
      state = state * 1664525 + 1013904223;
      x = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-29f;
    }
  }
  uint64_t hash = 1;
  for (const float x : InChunks(c, text, kLength, 100, 2)) {
    hash = (hash ^ std::bit_cast<uint32_t>(x)) * 1099511628211u;
  }
  EXPECT_EQ(hash, 16731027590439289321u);
}

// A product flushed to -0 must not tell whether masked tokens (which add +0) followed in its tile.
TEST(Attention, GivesZerosOneSign) {
  const Case c = {1, 1, 16, 0, KvFormat::kF32};
  constexpr uint32_t kRow = 2 * kTileTokens + 1;
  Text text(c, kRow + 2, 6);
  for (auto* values : {&text.k, &text.v, &text.q}) std::fill(values->begin(), values->end(), 0.0f);
  const auto set_token = [&](uint32_t t, float score, float value) {
    text.q[t * 16] = 4.0f;  // 1 / scale
    text.k[t * 16] = score;
    std::fill_n(text.v.begin() + t * 16, 16, value);
  };
  set_token(0, 0.0f, -1e-36f);          // leaves the state of tile 0 tiny and negative
  set_token(kTileTokens, 20.0f, 0.0f);  // whose weight e^-20 flushes it to -0
  set_token(kRow - 1, 20.0f, 0.0f);     // tile 2 adds
  set_token(kRow, 19.0f, -1.5e-38f);    // a product flushed to -0,
  set_token(kRow + 1, 0.0f, 1.0f);      // and, if that row is there, a masked +0
  const auto table = ShuffledTable(kRow / kBlockTokens + 1, 1);
  Arena arena(c, static_cast<uint32_t>(table.size()));
  arena.Store(text, table, 0, kRow + 2);
  const std::vector<float> alone = Attend(c, arena, {{&text, &table, kRow, kRow + 1}});
  const std::vector<float> together = Attend(c, arena, {{&text, &table, kRow, kRow + 2}});
  ExpectSameBits({together.begin(), together.begin() + 16}, alone, "the first row");
}

// Whatever lies in slots not written yet, or in blocks that left the window, the bits are the same.
TEST(Attention, NeverReadsForeignBytes) {
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kF32, KvFormat::kQ8, KvFormat::kK16V8}) {
    const Case c = {4, 2, 64, 90, format};
    constexpr uint32_t kLength = 600;
    const Text text(c, kLength, 1);
    const auto table = ShuffledTable(kLength / kBlockTokens + 2, 8);
    std::vector<float> expected;
    for (const int poison : {0x00, 0xff, 0x7c, 0x7f}) {
      Arena arena(c, static_cast<uint32_t>(table.size()), poison);
      arena.Store(text, table, 0, kLength);
      std::vector<uint32_t> forgotten = table;
      // The first row below, 590, sees tokens from 501; blocks before that of 501 are given away.
      std::fill_n(forgotten.begin(), 501 / kBlockTokens, table.back());
      const std::vector<float> got = Attend(c, arena, {{&text, &forgotten, 590, kLength}}, 2);
      for (const float x : got) ASSERT_TRUE(std::isfinite(x));
      if (expected.empty()) expected = got;
      ExpectSameBits(got, expected, "poison " + std::to_string(poison));
    }
  }
}

}  // namespace
}  // namespace quire
