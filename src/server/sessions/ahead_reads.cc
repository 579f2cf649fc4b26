#include "server/sessions/ahead_reads.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/check.h"

namespace quire {
namespace {

bool BeginsWith(const std::vector<TokenId>& tokens, const std::vector<TokenId>& begin) {
  return begin.size() <= tokens.size() && std::equal(begin.begin(), begin.end(), tokens.begin());
}

// Whether reading one is of use for the other.
bool GoesOnWith(const std::vector<TokenId>& one, const std::vector<TokenId>& other) {
  return BeginsWith(one, other) || BeginsWith(other, one);
}

}  // namespace

Result<RequestId> AheadReads::Submit(GenerationRequest request) {
  return engine_->Submit(std::move(request), std::make_shared<EventQueue>());
}

void AheadReads::Cancel(RequestId id) { engine_->Cancel(id); }

void AheadReads::Want(Engine& engine, const std::string& name, std::deque<Text> texts) try {
  QUIRE_CHECK(texts.size() <= kMostTexts, "more than a context and the next one");
  std::list<Wanted> wanted;
  for (Text& text : texts) wanted.push_back({std::move(text)});
  const std::lock_guard lock(mutex_);
  engine_ = &engine;
  Session& session = sessions_[name];
  session.wanted = std::move(wanted);
  for (Wanted& before : session.reading) {
    before.is_due = false;
    const bool helps = std::ranges::any_of(session.wanted, [&](const Wanted& one) {
      return GoesOnWith(one.text.request.prompt, before.text.request.prompt);
    });
    if (!helps) Stop(session);
  }
  GoOn(name);
} catch (const std::exception&) {  // no memory, after what was appended was kept: no error of that
}

AheadReads::Rest AheadReads::MakeWay(const std::string& name, const std::vector<TokenId>& prompt,
                                     bool anew) {
  std::string copy = name;
  auto self = shared_from_this();
  const std::lock_guard lock(mutex_);
  Session& session = sessions_[name];
  QUIRE_CHECK(!session.rests, "two answers of one session at a time");
  session.rests = true;
  for (Wanted& one : session.wanted) {
    one.is_left = anew || BeginsWith(prompt, one.text.request.prompt);
  }
  for (Wanted& one : session.reading) {
    const bool helps = BeginsWith(prompt, one.text.request.prompt);
    if (!helps) Stop(session);
    one.is_left = session.stops && (anew || helps);
  }
  return {std::move(self), std::move(copy)};
}

void AheadReads::Unpin(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(name);
  if (found == sessions_.end()) return;
  for (auto* texts : {&found->second.reading, &found->second.wanted}) {
    for (Wanted& one : *texts) one.text.request.pin_seconds = 0;
  }
}

bool AheadReads::Forget(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(name);
  return found != sessions_.end() && Drop(found->second);
}

void AheadReads::ForgetOthers(const std::vector<std::pair<std::string, uint64_t>>& generations) {
  const auto is_gone = [&](const Wanted& one) {
    const auto now = std::ranges::find(generations, one.text.request.tenant,
                                       &std::pair<std::string, uint64_t>::first);
    return now != generations.end() && now->second != one.text.generation;
  };
  const std::lock_guard lock(mutex_);
  for (auto& [name, session] : sessions_) {
    const bool any = std::ranges::any_of(session.reading, is_gone) ||
                     std::ranges::any_of(session.wanted, is_gone);
    if (any) Drop(session);
  }
}

bool AheadReads::Drop(Session& session) {
  const bool was_to_be_read = !session.reading.empty() || !session.wanted.empty();
  session.wanted.clear();
  for (Wanted& one : session.reading) {
    one.is_due = false;
    Stop(session);
  }
  return was_to_be_read;
}

void AheadReads::Stop(Session& session) {
  if (!std::exchange(session.stops, true)) Cancel(session.id);
}

void AheadReads::Ended(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Session& session = sessions_.at(name);
  QUIRE_CHECK(!session.reading.empty(), "a read ends that nobody began");
  const bool again = session.stops && session.reading.front().is_due;
  if (again) session.wanted.splice(session.wanted.begin(), session.reading);
  session.reading.clear();
  session.stops = false;
  GoOn(name);
}

void AheadReads::EndRest(const std::string& name, bool answered) {
  const std::lock_guard lock(mutex_);
  Session& session = sessions_.at(name);
  QUIRE_CHECK(session.rests, "an answer ends that nobody began");
  session.rests = false;
  for (auto* texts : {&session.reading, &session.wanted}) {
    for (Wanted& one : *texts) {
      if (std::exchange(one.is_left, false) && answered) one.is_due = false;
    }
  }
  session.wanted.remove_if([](const Wanted& one) { return !one.is_due; });
  GoOn(name);
}

void AheadReads::GoOn(const std::string& name) {
  Session& session = sessions_.at(name);
  if (!session.reading.empty() || session.rests) return;
  if (!session.wanted.empty() && !Begin(name, session)) session.wanted.clear();
  if (session.reading.empty()) sessions_.erase(name);
}

// Afterwards it is being read, or it was refused.
Status AheadReads::Begin(const std::string& name, Session& session) try {
  session.reading.splice(session.reading.begin(), session.wanted, session.wanted.begin());
  const Text& text = session.reading.front().text;
  GenerationRequest request = text.request;
  if (text.entry != nullptr) text.entry->Follow(request, *engine_);
  request.on_end = [weak = weak_from_this(), name,
                    told = std::move(request.on_end)](const Receipt& receipt) {
    if (told) told(receipt);
    if (const auto reads = weak.lock(); reads != nullptr) reads->Ended(name);
  };
  auto begun = Submit(std::move(request));
  if (begun) {
    session.id = *begun;
    return {};
  }
  session.reading.clear();
  return std::unexpected(std::move(begun).error());
} catch (const std::exception&) {  // no memory: it is computed when it is needed
  session.reading.clear();
  return Refuse(ErrorCode::kUnavailable, "the system gave no memory for it");
}

void AheadReads::CheckInvariants() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, session] : sessions_) {
    const bool reads = !session.reading.empty();
    QUIRE_CHECK(reads || session.rests, "A1: a session that nothing is done for");
    QUIRE_CHECK(session.reading.size() <= 1, "A2: two reads of a session");
    QUIRE_CHECK(session.wanted.size() <= kMostTexts + 1, "A2: more wanted than the newest");
    QUIRE_CHECK(reads || !session.stops, "nothing is stopped");
    for (const Wanted& one : session.wanted) QUIRE_CHECK(one.is_due, "A3: nobody wants it");
    for (const auto* texts : {&session.reading, &session.wanted}) {
      for (const Wanted& one : *texts) {
        QUIRE_CHECK(!one.is_left || session.rests, "A4: left to an answer that is over");
      }
    }
  }
}

}  // namespace quire
