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

void AheadReads::Want(Engine& engine, const std::string& name, std::deque<Text> texts) try {
  const std::lock_guard lock(mutex_);
  Session& session = sessions_[name];
  session.engine = &engine;
  session.wanted = std::move(texts);
  session.again = false;
  const bool of_use = session.reading && std::ranges::any_of(session.wanted, [&](const Text& text) {
                        return GoesOnWith(text.request.prompt, session.reading->request.prompt);
                      });
  if (session.reading && !of_use) Stop(session, false);
  GoOn(name);
} catch (const std::exception&) {  // no memory, after what was appended was kept: no error of that
}

AheadReads::Rest AheadReads::MakeWay(const std::string& name, const std::vector<TokenId>& prompt,
                                     bool anew) {
  std::string copy = name;
  auto self = shared_from_this();
  const std::lock_guard lock(mutex_);
  Session& session = sessions_[name];
  std::erase_if(session.wanted, [&](const Text& text) {
    return anew || BeginsWith(prompt, text.request.prompt);  // the answer reads it
  });
  const bool helps = session.reading && BeginsWith(prompt, session.reading->request.prompt);
  if (session.reading && !helps) Stop(session, !anew);
  ++session.rests;
  return {std::move(self), std::move(copy)};
}

void AheadReads::Unpin(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(name);
  if (found == sessions_.end()) return;
  if (found->second.reading) found->second.reading->request.pin_seconds = 0;
  for (Text& text : found->second.wanted) text.request.pin_seconds = 0;
}

bool AheadReads::Forget(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(name);
  return found != sessions_.end() && Drop(found->second);
}

void AheadReads::ForgetOthers(const std::vector<std::pair<std::string, uint64_t>>& generations) {
  const auto is_gone = [&](const Text& text) {
    const auto now = std::ranges::find(generations, text.request.tenant,
                                       &std::pair<std::string, uint64_t>::first);
    return now != generations.end() && now->second != text.generation;
  };
  const std::lock_guard lock(mutex_);
  for (auto& [name, session] : sessions_) {
    const bool reads_it = session.reading && is_gone(*session.reading);
    if (reads_it || std::ranges::any_of(session.wanted, is_gone)) Drop(session);
  }
}

bool AheadReads::Drop(Session& session) {
  const bool was_to_be_read = session.reading || !session.wanted.empty();
  session.wanted.clear();
  if (session.reading) Stop(session, false);
  return was_to_be_read;
}

void AheadReads::Stop(Session& session, bool again) {
  session.again = again && (session.again || !session.stops);
  if (!std::exchange(session.stops, true)) session.engine->Cancel(session.id);
}

void AheadReads::Ended(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Session& session = sessions_.at(name);
  QUIRE_CHECK(session.reading.has_value(), "a read ends that nobody began");
  if (session.again) session.wanted.push_front(*std::move(session.reading));
  session.reading.reset();
  session.stops = session.again = false;
  GoOn(name);
}

void AheadReads::EndRest(const std::string& name) {
  const std::lock_guard lock(mutex_);
  --sessions_.at(name).rests;
  GoOn(name);
}

void AheadReads::GoOn(const std::string& name) {
  Session& session = sessions_.at(name);
  if (session.reading || session.rests > 0) return;
  if (!session.wanted.empty() && !Begin(name, session)) session.wanted.clear();
  if (!session.reading) sessions_.erase(name);
}

// Afterwards it is being read, or it was refused.
Status AheadReads::Begin(const std::string& name, Session& session) try {
  Text text = std::move(session.wanted.front());
  session.wanted.pop_front();
  GenerationRequest request = text.request;
  if (text.entry != nullptr) text.entry->Follow(request, *session.engine);
  request.on_end = [weak = weak_from_this(), name,
                    told = std::move(request.on_end)](const Receipt& receipt) {
    if (told) told(receipt);
    if (const auto reads = weak.lock(); reads != nullptr) reads->Ended(name);
  };
  session.reading = std::move(text);
  auto begun = session.engine->Submit(std::move(request), std::make_shared<EventQueue>());
  if (begun) {
    session.id = *begun;
    return {};
  }
  session.reading.reset();
  return std::unexpected(std::move(begun).error());
} catch (const std::exception&) {  // no memory: it is computed when it is needed
  session.reading.reset();
  return Refuse(ErrorCode::kUnavailable, "the system gave no memory for it");
}

}  // namespace quire
