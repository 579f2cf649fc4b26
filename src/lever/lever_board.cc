#include "lever/lever_board.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <span>
#include <utility>

#include "base/check.h"

namespace quire {

namespace {

constexpr uint32_t kMostFailures = 10;
constexpr uint32_t kShownEvents = 20;
constexpr int64_t kMsPerSecond = 1000;

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool Runs(const LeverStatus& status) { return status.state.phase == LeverPhase::kRunning; }

// Until now, or until it ended.
int64_t EndOf(const LeverStatus& status) {
  return Runs(status) ? std::numeric_limits<int64_t>::max() : status.state.changed_ms;
}

ArmWish WindowOf(const LeverStatus& status, int64_t now_ms) {
  const int64_t end = std::min(EndOf(status), now_ms);
  const int64_t window = int64_t{status.lever.guardrail.trigger.window_seconds} * kMsPerSecond;
  return {.lever = status.lever.name,
          .since_ms = std::max(status.state.since_ms, end - window),
          .until_ms = EndOf(status)};
}

template <typename Statuses>
auto Find(Statuses& statuses, std::string_view name) {
  return std::ranges::find(statuses, name,
                           [](const auto& one) -> const std::string& { return one.lever.name; });
}

}  // namespace

Result<std::unique_ptr<LeverBoard>> LeverBoard::Open(Options options, std::vector<Lever> levers) {
  QUIRE_CHECK(options.ledger != nullptr, "without a ledger there is nothing to compare");
  QUIRE_TRY(auto store, LeverStore::Open(options.path, options.lock_wait));
  std::unique_ptr<LeverBoard> board(new LeverBoard(std::move(options), std::move(store)));
  if (const Status set = board->Set(std::move(levers)); !set) return std::unexpected(set.error());
  if (board->options_.check_every.count() > 0) {
    board->thread_ = std::thread([raw = board.get()] { raw->ThreadMain(); });
  }
  return board;
}

LeverBoard::LeverBoard(Options options, std::unique_ptr<LeverStore> store)
    : options_(std::move(options)), draw_(options_.key), store_(std::move(store)) {}

LeverBoard::~LeverBoard() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Status LeverBoard::Set(std::vector<Lever> levers) {
  const std::lock_guard changing(store_mutex_);
  const int64_t now = NowMs();
  std::vector<LeverStatus> next;
  for (Lever& lever : levers) {
    const std::string digest = lever.Digest();
    QUIRE_TRY(auto known, store_->Find(lever.name));
    if (const auto owed = owed_.find(lever.name); owed != owed_.end()) known = owed->second;
    LeverState state =
        known.value_or(LeverState{LeverPhase::kRunning, now, now, "it is new in levers.toml", {}});
    if (state.phase == LeverPhase::kRunning && state.digest != digest) {
      if (known) state = {LeverPhase::kRunning, now, now, "levers.toml says otherwise now", {}};
      state.digest = digest;
      if (const Status saved = store_->Save(lever.name, state); !saved) return saved;
    }
    next.push_back({.lever = std::move(lever), .state = std::move(state)});
  }
  const std::lock_guard lock(mutex_);
  for (LeverStatus& status : next) {
    const auto before = Find(levers_, status.lever.name);
    if (before == levers_.end()) continue;
    status.requests = before->requests;
    status.rollbacks = before->rollbacks;
  }
  levers_ = std::move(next);
  return {};
}

Treatment LeverBoard::Treat(std::string_view tenant, std::string_view route) {
  Treatment treatment;
  const std::lock_guard lock(mutex_);
  if (failures_ >= kMostFailures) return treatment;
  for (LeverStatus& status : levers_) {
    if (!Runs(status) || !status.lever.Concerns(tenant, route)) continue;
    const Arm arm = draw_.ArmOf(status.lever, tenant, route);
    AppendArm(status.lever.name, arm, treatment.arms);
    if (arm == Arm::kTreatment) treatment.changes.push_back(status.lever.change);
    ++status.requests[static_cast<size_t>(arm)];
  }
  return treatment;
}

Result<LeverStatus> LeverBoard::StatusOf(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = Find(levers_, name);
  if (found != levers_.end()) return *found;
  std::string names;
  for (const LeverStatus& status : levers_) {
    names.append(names.empty() ? "" : ", ").append(status.lever.name);
  }
  return Refuse(ErrorCode::kNotFound,
                fmt::format("there is no lever '{}' in levers.toml; there {}", name.substr(0, 64),
                            names.empty() ? "are none" : "are " + names),
                "lever");
}

// With store_mutex_ held.
Result<LeverStatus> LeverBoard::Change(const std::string& name, LeverState state) {
  if (const Status saved = store_->Save(name, state); !saved) {
    return std::unexpected(saved.error());
  }
  owed_.erase(name);
  options_.log(fmt::format("lever \"{}\" is {}: {}", name, LeverPhaseName(state.phase), state.why));
  {
    const std::lock_guard lock(mutex_);
    const auto found = Find(levers_, name);
    if (found != levers_.end()) found->state = std::move(state);
  }
  return StatusOf(name);
}

Result<LeverStatus> LeverBoard::Start(const std::string& name) {
  const std::lock_guard changing(store_mutex_);
  QUIRE_TRY(LeverStatus status, StatusOf(name));
  if (Runs(status)) return status;
  const int64_t now = NowMs();
  return Change(
      name, {LeverPhase::kRunning, now, now, "an operator has started it", status.lever.Digest()});
}

Result<LeverStatus> LeverBoard::Stop(const std::string& name, const std::string& why) {
  const std::lock_guard changing(store_mutex_);
  QUIRE_TRY(LeverStatus status, StatusOf(name));
  if (!Runs(status)) return status;
  LeverState state = std::move(status.state);
  state.phase = LeverPhase::kStopped;
  state.changed_ms = NowMs();
  state.why = "an operator has stopped it" + (why.empty() ? "" : ": " + why);
  return Change(name, std::move(state));
}

std::vector<LeverStatus> LeverBoard::List() const {
  const std::lock_guard lock(mutex_);
  return levers_;
}

bool LeverBoard::is_blind() const {
  const std::lock_guard lock(mutex_);
  return failures_ >= kMostFailures;
}

Result<LeverReport> LeverBoard::Report(const std::string& name) {
  options_.ledger->Settle();
  LeverReport report;
  QUIRE_TRY(report.status, StatusOf(name));
  QUIRE_TRY(const auto samples, options_.ledger->Arms({.lever = name,
                                                       .since_ms = report.status.state.since_ms,
                                                       .until_ms = EndOf(report.status)}));
  for (size_t i = 0; i < kLeverMetrics; ++i) {
    for (const Arm arm : {Arm::kControl, Arm::kTreatment}) {
      report.figures[i][static_cast<size_t>(arm)] =
          Measure(kLeverMetricInfos[i].metric, arm, samples);
    }
  }
  QUIRE_TRY(const auto recent, options_.ledger->Arms(WindowOf(report.status, NowMs())));
  report.finding = Guard(report.status.lever.guardrail, recent);
  const std::lock_guard reading(store_mutex_);
  QUIRE_TRY(report.events, store_->Events(name, kShownEvents));
  return report;
}

void LeverBoard::Check() {
  const std::lock_guard checking(check_mutex_);
  const Ledger::Counts counts = options_.ledger->counts();
  uint64_t lost = 0;
  for (const auto& [tenant, rows] : counts.lost) lost += rows.rows();
  const bool news = std::exchange(written_, counts.written) != counts.written;
  bool failed = std::exchange(lost_, lost) != lost;
  bool looked = failed;
  for (const LeverStatus& status : List()) {
    // What users say of answers comes later than rows.
    const bool judged = status.lever.guardrail.metric == LeverMetric::kScore;
    if (!Runs(status) || !(news || judged || is_blind())) continue;
    looked = true;
    if (!CheckOne(status)) failed = true;
  }
  if (looked) NoteChecked(failed);
  SaveOwed();
}

// False: the ledger cannot be read.
bool LeverBoard::CheckOne(const LeverStatus& status) {
  const auto samples = options_.ledger->Arms(WindowOf(status, NowMs()));
  if (!samples) return false;
  const GuardFinding finding = Guard(status.lever.guardrail, *samples);
  if (finding.verdict == GuardVerdict::kBroken) RollBack(status, finding.why);
  return true;
}

// It holds from now on, whether or not it can be written.
void LeverBoard::RollBack(const LeverStatus& status, const std::string& why) {
  const std::string& name = status.lever.name;
  const std::lock_guard changing(store_mutex_);
  LeverState ended;
  {
    const std::lock_guard lock(mutex_);
    const auto found = Find(levers_, name);
    const bool same_run =
        found != levers_.end() && Runs(*found) && found->state.since_ms == status.state.since_ms;
    if (!same_run) return;
    found->state.phase = LeverPhase::kRolledBack;
    found->state.changed_ms = NowMs();
    found->state.why = why;
    ++found->rollbacks;
    ended = found->state;
  }
  options_.log(
      fmt::format("lever \"{}\" of {} was rolled back: {}", name, status.lever.owner, why));
  owed_.insert_or_assign(name, std::move(ended));
}

void LeverBoard::SaveOwed() {
  const std::lock_guard changing(store_mutex_);
  std::erase_if(owed_, [this](const auto& owed) {
    return store_->Save(owed.first, owed.second).has_value();
  });
}

void LeverBoard::NoteChecked(bool failed) {
  uint32_t before = 0;
  {
    const std::lock_guard lock(mutex_);
    before = failures_;
    failures_ = failed ? std::min(failures_ + 1, kMostFailures) : 0;
  }
  if (failed && before + 1 == kMostFailures) {
    options_.log(
        "the ledger cannot be read, or loses rows, so nobody sees what levers do: none is "
        "applied until it is whole again");
  }
  if (!failed && before == kMostFailures) options_.log("levers are applied again");
}

void LeverBoard::ThreadMain() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, options_.check_every, [this] { return stopping_; })) {
    lock.unlock();
    try {
      Check();
    } catch (const std::exception&) {  // no memory; the next time there may be
    }
    lock.lock();
  }
}

}  // namespace quire
