#include "model/worker_pass.h"

#include <algorithm>
#include <atomic>
#include <initializer_list>

#include "kernels/attention.h"
#include "kernels/ops.h"

namespace quire {
namespace {

// The forms in which the readers of an activation want it.
Activations::Kinds KindsFor(std::initializer_list<const Linear*> readers) {
  Activations::Kinds kinds{.int8 = false, .f32 = false};
  for (const Linear* reader : readers) {
    const bool int8 = ActivationKindOf(reader->matrix.type) == ActivationKind::kInt8;
    (int8 ? kinds.int8 : kinds.f32) = true;
  }
  return kinds;
}

// Rows [begin, end) of a product, for all tokens of x; `out` is where row 0 of token 0 goes.
void MultiplyRows(const Linear& linear, const Activations& x, float* out, uint32_t begin,
                  uint32_t end) {
  const PackedMatrix& matrix = linear.matrix;
  MatMul(matrix, x, {.data = out, .stride = matrix.rows, .bias = linear.bias, .accumulate = false},
         begin, std::min(end, matrix.rows));
}

// Part `index` of `parts` of [0, total), cut at multiples of `grain`.
uint32_t ShareBegin(uint32_t total, uint32_t grain, uint32_t index, uint32_t parts) {
  const uint64_t pieces = (uint64_t{total} + grain - 1) / grain;
  return static_cast<uint32_t>(std::min<uint64_t>(pieces * index / parts * grain, total));
}

void NormHeads(const float* weight, const ModelConfig& config, uint32_t heads, float* x) {
  if (weight == nullptr) return;
  for (uint32_t head = 0; head < heads; ++head, x += config.head_dim) {
    RmsNorm(x, weight, config.norm_epsilon, config.head_dim, x);
  }
}

}  // namespace

WorkerPass::WorkerPass(const PassContext& context, const Worker& worker)
    : context_(context),
      config_(context.model.config()),
      weights_(context.model.weights()),
      plan_(context.plan),
      shared_(context.buffers),
      worker_(worker),
      own_(*shared_.own[worker.index()]),
      teams_(plan_.num_rows(), worker.count()),
      final_teams_(plan_.num_logits(), worker.count()),
      clock_(context.start_ns) {}

bool WorkerPass::Run() {
  clock_.Mark(PassPhase::kStart);
  FillRopeTables();
  clock_.Mark(PassPhase::kRows);
  Meet();
  bool finished = true;
  for (uint32_t layer = 0; layer < config_.layers && finished; ++layer) {
    ForSets(layer, [&](const TokenSet& set) {
      if (layer == 0) {
        Embed(set);
      } else {
        AfterAttention(layer - 1, set);
      }
      BeforeAttention(layer, set);
    });
    if (context_.stop != nullptr && worker_.index() == 0) {
      shared_.leave = (*context_.stop)(layer);
    }
    Meet();
    finished = !shared_.leave;
    const bool last = layer + 1 == config_.layers;
    if (!finished || (last && plan_.num_logits() == 0)) break;
    Attend(layer);
    Meet();
  }
  if (finished && plan_.num_logits() > 0) {
    ForFinalSets([&](const TokenSet& set) {
      Gather(set);
      AfterAttention(config_.layers - 1, set);
      Logits(set);
    });
  }
  shared_.times[worker_.index()] = {clock_.ns(), clock_.last_ns(), clock_.barriers()};
  return finished;
}

// Slabs of this worker, and then what others have left.
template <typename Body>
void WorkerPass::ForSlabs(const TeamPlan& plan, uint32_t stage, const Body& body) {
  const uint32_t workers = worker_.count();
  for (uint32_t i = 0; i < workers; ++i) {
    const uint32_t owner = (worker_.index() + i) % workers;
    std::atomic<uint32_t>& taken = shared_.slabs_taken[size_t{stage} * workers + owner];
    while (true) {
      const uint32_t slab = taken.fetch_add(1, std::memory_order_relaxed);
      if (slab >= plan.slabs_per_worker()) break;
      const TeamPlan::Share tokens = plan.Slab(owner * plan.slabs_per_worker() + slab);
      if (tokens.count > 0) body(tokens);
    }
  }
}

template <typename Body>
void WorkerPass::ForSets(uint32_t stage, const Body& body) {
  if (teams_.alone()) {
    ForSlabs(teams_, stage, [&](TeamPlan::Share tokens) {
      float* const residual = shared_.residual + size_t{tokens.first} * config_.width;
      body(TokenSet{tokens.first, tokens.count, nullptr, residual, own_, 0, 1});
    });
    return;
  }
  const uint32_t team = teams_.team_of(worker_.index());
  const TeamPlan::Share members = teams_.WorkersOf(team);
  const TeamPlan::Share tokens = teams_.TokensOf(team);
  body(TokenSet{tokens.first, tokens.count, nullptr, own_.residual, *shared_.own[members.first],
                worker_.index() - members.first, members.count});
}

template <typename Body>
void WorkerPass::ForFinalSets(const Body& body) {
  const uint32_t* const rows = plan_.logit_rows().data();
  if (final_teams_.alone()) {
    ForSlabs(final_teams_, config_.layers, [&](TeamPlan::Share tokens) {
      body(TokenSet{tokens.first, tokens.count, rows + tokens.first, own_.final_residual, own_, 0,
                    1});
    });
    return;
  }
  const uint32_t team = final_teams_.team_of(worker_.index());
  const TeamPlan::Share members = final_teams_.WorkersOf(team);
  const TeamPlan::Share tokens = final_teams_.TokensOf(team);
  body(TokenSet{tokens.first, tokens.count, rows + tokens.first, own_.final_residual,
                *shared_.own[members.first], worker_.index() - members.first, members.count});
}

// Fetches the residual stream of the tokens that want logits, whoever had them.
void WorkerPass::Gather(const TokenSet& set) const {
  const uint32_t width = config_.width;
  for (uint32_t k = 0; k < set.count; ++k) {
    const uint32_t row = set.row(k);
    const float* from = shared_.residual + size_t{row} * width;
    if (!teams_.alone()) {
      const uint32_t team = teams_.TeamOfToken(row);
      from = shared_.own[teams_.WorkersOf(team).first]->residual +
             size_t{row - teams_.TokensOf(team).first} * width;
    }
    std::copy_n(from, width, set.residual + size_t{k} * width);
  }
}

void WorkerPass::Meet() {
  worker_.Barrier();
  clock_.MarkBarrier();
}

void WorkerPass::MeetTeam(const TokenSet& set, PassPhase phase) {
  clock_.Mark(phase);
  if (set.members == 1) return;
  set.shared.barrier.Arrive(set.members);
  clock_.MarkBarrier();
}

void WorkerPass::Embed(const TokenSet& set) {
  const TensorInfo& table = *weights_.embedding;
  const size_t row_bytes = table.data.size() / config_.vocab_size;
  for (uint32_t k = 0; k < set.count; ++k) {
    float* const residual = set.residual + size_t{k} * config_.width;
    const size_t token = static_cast<size_t>(plan_.rows()[set.row(k)].token);
    DequantizeRow(table.type, table.data.subspan(token * row_bytes, row_bytes),
                  {residual, config_.width});
    if (config_.embedding_scale != 1) Scale(residual, config_.embedding_scale, config_.width);
  }
}

void WorkerPass::FillRopeTables() const {
  const auto [begin, end] = worker_.Share(plan_.num_rows());
  const RopeConfig& global = config_.rope;
  const RopeConfig& local = config_.local_rope;
  for (uint32_t row = begin; row < end; ++row) {
    const uint32_t position = plan_.rows()[row].position;
    FillRopeTable(position, global.inverse_frequency, global.magnitude,
                  shared_.rope + size_t{row} * global.dims);
    if (config_.window == 0) continue;
    FillRopeTable(position, local.inverse_frequency, local.magnitude,
                  shared_.local_rope + size_t{row} * local.dims);
  }
}

void WorkerPass::NormAndStore(const TokenSet& set, const float* norm, Activations::Kinds kinds) {
  for (uint32_t k = 0; k < set.count; ++k) {
    RmsNorm(set.residual + size_t{k} * config_.width, norm, config_.norm_epsilon, config_.width,
            own_.scratch);
    own_.width.StoreRow(k, own_.scratch, kinds);
  }
}

void WorkerPass::BeforeAttention(uint32_t layer, const TokenSet& set) {
  const LayerWeights& weights = weights_.layers[layer];
  own_.width.SetShape(set.count, config_.width);
  NormAndStore(set, weights.attention_norm,
               KindsFor({&weights.query, &weights.key, &weights.value}));
  clock_.Mark(PassPhase::kRows);
  Qkv(layer, set);
  clock_.Mark(PassPhase::kQkv);
}

void WorkerPass::Qkv(uint32_t layer, const TokenSet& set) {
  const LayerWeights& weights = weights_.layers[layer];
  if (set.members == 1) {
    float* const query = shared_.query + size_t{set.first} * config_.query_width();
    MultiplyRows(weights.query, own_.width, query, 0, config_.query_width());
    MultiplyRows(weights.key, own_.width, own_.key, 0, config_.kv_width());
    MultiplyRows(weights.value, own_.width, own_.value, 0, config_.kv_width());
    StoreUnits(layer, set, {0, config_.query_heads + config_.kv_heads});
    return;
  }
  const QkvAxis axis(config_, weights);
  const Range groups{axis.Cut(set.member, set.members), axis.Cut(set.member + 1, set.members)};
  if (groups.begin == groups.end) return;
  MultiplyAxis(weights, set, axis, groups);
  CompleteUnits(layer, set, axis, groups);
}

void WorkerPass::MultiplyAxis(const LayerWeights& layer, const TokenSet& set, const QkvAxis& axis,
                              Range groups) {
  const uint32_t queries = axis.Begin(config_.query_heads);
  float* const query = shared_.query + size_t{set.first} * config_.query_width();
  if (groups.begin < queries) {
    MultiplyRows(layer.query, own_.width, query, groups.begin * kRowGroup,
                 std::min(groups.end, queries) * kRowGroup);
  }
  // The heads of keys and values alternate on the axis.
  const uint32_t head_groups = axis.head_groups();
  for (uint32_t head = 0; head < config_.kv_heads; ++head) {
    const auto part = [&](const Linear& linear, float* out, uint32_t start) {
      const uint32_t from = std::clamp(groups.begin, start, start + head_groups) - start;
      const uint32_t to = std::clamp(groups.end, start, start + head_groups) - start;
      if (from == to) return;
      MultiplyRows(linear, own_.width, out, (head * head_groups + from) * kRowGroup,
                   (head * head_groups + to) * kRowGroup);
    };
    const uint32_t start = axis.Begin(config_.query_heads + head);
    part(layer.key, set.shared.key, start);
    part(layer.value, set.shared.value, start + head_groups);
  }
}

void WorkerPass::CompleteUnits(uint32_t layer, const TokenSet& set, const QkvAxis& axis,
                               Range groups) {
  const uint32_t first = axis.UnitAt(groups.begin);
  const uint32_t last = axis.UnitAt(groups.end - 1);
  for (uint32_t unit = first; unit <= last; ++unit) {
    if (axis.Begin(unit) < groups.begin || axis.Begin(unit + 1) > groups.end) {
      std::atomic<uint32_t>& pieces = set.shared.pieces[unit];
      const uint32_t done = pieces.fetch_add(1, std::memory_order_acq_rel) + 1;
      if (done < axis.Pieces(unit, set.members)) continue;
      pieces.store(0, std::memory_order_relaxed);  // for the next layer, some meetings away
    }
    StoreUnits(layer, set, {unit, unit + 1});
  }
}

// Head norms, rope, and the keys and values to their blocks, of units that are complete.
void WorkerPass::StoreUnits(uint32_t layer, const TokenSet& set, Range units) const {
  const LayerWeights& weights = weights_.layers[layer];
  const RopeConfig& rope = config_.rope_of(layer);
  const float* tables = config_.windowed[layer] ? shared_.local_rope : shared_.rope;
  const uint32_t head_dim = config_.head_dim;
  const uint32_t queries_end = std::min(units.end, config_.query_heads);
  const uint32_t queries = queries_end - std::min(units.begin, queries_end);
  const uint32_t kv_begin = std::max(units.begin, config_.query_heads) - config_.query_heads;
  const uint32_t kv_heads =
      std::max(units.end, config_.query_heads) - config_.query_heads - kv_begin;
  for (uint32_t k = 0; k < set.count; ++k) {
    const uint32_t row = set.row(k);
    const RopeTable table{tables + size_t{row} * rope.dims, rope.dims};
    if (queries > 0) {
      float* const query =
          shared_.query + size_t{row} * config_.query_width() + size_t{units.begin} * head_dim;
      NormHeads(weights.query_norm, config_, queries, query);
      ApplyRope(rope.kind, table, queries, head_dim, query);
    }
    if (kv_heads == 0) continue;
    const size_t offset = size_t{k} * config_.kv_width() + size_t{kv_begin} * head_dim;
    float* const key = set.shared.key + offset;
    NormHeads(weights.key_norm, config_, kv_heads, key);
    ApplyRope(rope.kind, table, kv_heads, head_dim, key);
    const BatchRow& place = plan_.rows()[row];
    StoreKvHeads(context_.kv,
                 {layer, place.block, place.position % kBlockTokens, kv_begin, kv_heads}, key,
                 set.shared.value + offset);
  }
}

void WorkerPass::Attend(uint32_t layer) {
  const AttentionShape shape{
      .layer = layer, .query_heads = config_.query_heads, .scale = config_.attention_scale};
  Attention(worker_, context_.kv, shape, plan_.attention(layer), shared_.query, shared_.attended,
            shared_.attention);
  clock_.Mark(PassPhase::kAttention);
}

void WorkerPass::AfterAttention(uint32_t layer, const TokenSet& set) {
  const LayerWeights& weights = weights_.layers[layer];
  own_.heads.SetShape(set.count, config_.query_width());
  own_.width.SetShape(set.count, config_.width);
  if (set.member == 0) own_.ffn.SetShape(set.count, config_.ffn_width);

  const auto kinds = KindsFor({&weights.attention_output});
  for (uint32_t k = 0; k < set.count; ++k) {
    own_.heads.StoreRow(k, shared_.attended + size_t{set.row(k)} * config_.query_width(), kinds);
  }
  clock_.Mark(PassPhase::kRows);
  MultiplyShare(weights.attention_output, own_.heads, set, set.shared.branch);
  MeetTeam(set, PassPhase::kOutput);

  AddBranch(set, weights.post_attention_norm);
  NormAndStore(set, weights.ffn_norm, KindsFor({&weights.gate, &weights.up}));
  clock_.Mark(PassPhase::kRows);
  GateUp(weights, set);
  MeetTeam(set, PassPhase::kGateUp);

  MultiplyShare(weights.down, set.shared.ffn, set, set.shared.branch);
  MeetTeam(set, PassPhase::kDown);
  AddBranch(set, weights.post_ffn_norm);
  clock_.Mark(PassPhase::kRows);
}

// This member's rows of the ffn, from the two products to what the next one reads.
void WorkerPass::GateUp(const LayerWeights& layer, const TokenSet& set) {
  const auto kinds = KindsFor({&layer.down});
  const uint32_t total = config_.ffn_width;
  const uint32_t begin = ShareBegin(total, kQuantBlock, set.member, set.members);
  const uint32_t end = ShareBegin(total, kQuantBlock, set.member + 1, set.members);
  const uint32_t room = own_.max_tokens * kFfnChunk / set.count / kQuantBlock * kQuantBlock;
  for (uint32_t first = begin; first < end; first += room) {
    const uint32_t rows = std::min(room, end - first);
    const auto multiply = [&](const Linear& linear, float* out) {
      // The chunk's own stride; MatMul adds `first_row` to where it writes.
      MatMul(linear.matrix, own_.width,
             {.data = out - first, .stride = rows, .bias = linear.bias, .accumulate = false}, first,
             first + rows);
    };
    multiply(layer.gate, own_.gate);
    multiply(layer.up, own_.up);
    for (uint32_t k = 0; k < set.count; ++k) {
      float* const gate = own_.gate + size_t{k} * rows;
      GatedActivation(config_.gate, gate, own_.up + size_t{k} * rows, rows, gate);
      set.shared.ffn.StoreColumns(k, first, {gate, rows}, kinds);
    }
  }
}

// residual += branch, normalised and scaled where the family does so.
void WorkerPass::AddBranch(const TokenSet& set, const float* post_norm) {
  const uint32_t width = config_.width;
  for (uint32_t k = 0; k < set.count; ++k) {
    const float* branch = set.shared.branch + size_t{k} * width;
    if (post_norm != nullptr) {
      RmsNorm(branch, post_norm, config_.norm_epsilon, width, own_.scratch);
      branch = own_.scratch;
    }
    if (config_.residual_scale != 1) {
      if (branch != own_.scratch) std::copy_n(branch, width, own_.scratch);
      Scale(own_.scratch, config_.residual_scale, width);
      branch = own_.scratch;
    }
    Add(branch, width, set.residual + size_t{k} * width);
  }
}

// This member's rows of a product, for all tokens of the set.
void WorkerPass::MultiplyShare(const Linear& linear, const Activations& x, const TokenSet& set,
                               float* out) {
  const uint32_t rows = linear.matrix.rows;
  MultiplyRows(linear, x, out, ShareBegin(rows, kRowGroup, set.member, set.members),
               ShareBegin(rows, kRowGroup, set.member + 1, set.members));
}

void WorkerPass::Logits(const TokenSet& set) {
  NormAndStore(set, weights_.output_norm, KindsFor({&weights_.output}));
  clock_.Mark(PassPhase::kRows);
  float* const logits = shared_.logits + size_t{set.first} * config_.vocab_size;
  MultiplyShare(weights_.output, own_.width, set, logits);
  if (config_.logit_scale != 1) {
    const uint32_t rows = config_.vocab_size;
    const uint32_t begin = ShareBegin(rows, kRowGroup, set.member, set.members);
    const uint32_t end = ShareBegin(rows, kRowGroup, set.member + 1, set.members);
    for (uint32_t k = 0; k < set.count; ++k) {
      float* const row = logits + size_t{k} * rows;
      for (uint32_t i = begin; i < end; ++i) row[i] *= config_.logit_scale;
    }
  }
  clock_.Mark(PassPhase::kLogits);
}

}  // namespace quire
