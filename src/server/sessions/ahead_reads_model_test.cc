// Reads ahead against a naive model, by random operations that shrink: whatever comes in whatever
// order, there is in the engine what a list of all that was ever wanted says, searched from its
// beginning.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "server/sessions/ahead_reads.h"
#include "tests/support/tiny_engine.h"

namespace quire {
namespace {

constexpr uint32_t kSessions = 3;
constexpr uint32_t kTenants = 2;

// A text is known by its letters: those that begin alike are of one context.
using Letters = std::string;

bool Begins(const Letters& text, const Letters& begin) { return text.starts_with(begin); }

Letters LettersOf(uint32_t number) {
  return Letters(1 + number % 4, static_cast<char>('a' + number / 4 % 3));
}

std::vector<TokenId> TokensOf(const Letters& letters) { return {letters.begin(), letters.end()}; }

std::string NameOf(uint32_t session) { return "session " + std::to_string(session); }
std::string TenantOf(uint32_t session) { return "tenant " + std::to_string(session % kTenants); }

// Stands in for the engine, whose reads end when they are told to.
class PlayedReads final : public AheadReads {
 public:
  enum class Answer : uint8_t { kTakes, kRefuses, kThrows };
  struct Read {
    GenerationRequest request;
    bool is_cancelled = false;
  };
  Answer next = Answer::kTakes;
  std::map<uint64_t, Read> reads;  // in the engine, by id

  void End(uint64_t id) {
    const auto ended = reads.extract(id);
    ended.mapped().request.on_end({});
  }

 protected:
  Result<RequestId> Submit(GenerationRequest request) override {
    switch (std::exchange(next, Answer::kTakes)) {
      case Answer::kRefuses:
        return Refuse(ErrorCode::kOverloaded, "the queue is full");
      case Answer::kThrows:
        throw std::bad_alloc();
      case Answer::kTakes:
        break;
    }
    reads.emplace(++last_, Read{std::move(request)});
    return RequestId{last_};
  }
  void Cancel(RequestId id) override {
    const auto read = reads.find(static_cast<uint64_t>(id));
    RC_ASSERT(read != reads.end());
    RC_ASSERT(!std::exchange(read->second.is_cancelled, true));
  }

 private:
  uint64_t last_ = 0;
};

class NaiveReads {
 public:
  struct Text {
    uint64_t number = 0;
    Letters letters;
    uint64_t generation = 0;
    uint32_t pin = 0;
    bool is_due = true;       // somebody wants it read
    bool is_left = false;     // only if the answer fails
    bool is_read = false;     // it is in the engine,
    bool is_stopped = false;  // but was cancelled
    uint32_t pin_taken = 0;   // along, as it came there
  };

  void Want(const std::vector<Text>& more, PlayedReads::Answer answer) {
    for (Text& text : texts_) text.is_due = false;
    Text* reading = Reading();
    const bool helps =
        reading != nullptr && std::ranges::any_of(more, [&](const Text& text) {
          return Begins(text.letters, reading->letters) || Begins(reading->letters, text.letters);
        });
    if (reading != nullptr && !helps) reading->is_stopped = true;
    texts_.insert(texts_.end(), more.begin(), more.end());
    GoOn(answer);
  }

  bool rests() const { return rests_; }
  void Rest(const Letters& prompt, bool anew) {
    rests_ = true;
    for (Text& text : texts_) {
      const bool helps = Begins(prompt, text.letters);
      if (text.is_read && !helps) text.is_stopped = true;
      if (text.is_due && (!text.is_read || text.is_stopped)) text.is_left = anew || helps;
    }
  }
  void EndRest(bool answered, PlayedReads::Answer answer) {
    rests_ = false;
    for (Text& text : texts_) {
      if (std::exchange(text.is_left, false) && answered) text.is_due = false;
    }
    GoOn(answer);
  }

  void Unpin() {
    for (Text& text : texts_) text.pin = 0;
  }

  bool Forget() {
    bool any = false;
    for (Text& text : texts_) {
      any |= text.is_due || text.is_read;
      text.is_due = false;
      text.is_stopped = text.is_read;
    }
    return any;
  }
  void ForgetOthers(uint64_t generation) {
    const bool any = std::ranges::any_of(texts_, [&](const Text& text) {
      return (text.is_due || text.is_read) && text.generation != generation;
    });
    if (any) Forget();
  }

  void End(PlayedReads::Answer answer) {
    Text& text = *Reading();
    if (!text.is_stopped) text.is_due = false;
    text.is_read = text.is_stopped = false;
    GoOn(answer);
  }

  Text* Reading() {  // null: nothing
    const auto found = std::ranges::find_if(texts_, &Text::is_read);
    return found == texts_.end() ? nullptr : &*found;
  }

 private:
  void GoOn(PlayedReads::Answer answer) {
    if (rests_ || Reading() != nullptr) return;
    const auto next = std::ranges::find_if(texts_, &Text::is_due);
    if (next == texts_.end()) return;
    if (answer == PlayedReads::Answer::kTakes) {
      next->is_read = true;
      next->pin_taken = next->pin;
      return;
    }
    for (Text& text : texts_) text.is_due = false;
  }

  std::vector<Text> texts_;  // all that were ever wanted
  bool rests_ = false;
};

class Twins {
 public:
  explicit Twins(Engine& engine) : engine_(engine) {}

  void Step(uint32_t code) {
    const uint32_t session = code / 16 % kSessions;
    const uint32_t number = code / 64;
    const uint32_t action = code % 16;
    if (action < 5) {
      Want(session, number);
    } else if (action < 8) {
      End(session);
    } else if (action < 10) {
      Rest(session, number);
    } else if (action < 12) {
      EndRest(session, number % 2 == 0);
    } else if (action == 12) {
      Forget(session);
      if (number % 2 == 0) Want(session, number / 2);  // cut
    } else if (action == 13) {
      reads_->Unpin(NameOf(session));
      naive_[session].Unpin();
    } else if (action == 14) {
      Purge(session % kTenants, number);
    } else {
      reads_->next = PlayedReads::Answer{static_cast<uint8_t>(number % 3)};
    }
    Compare();
  }

  // Afterwards nothing is left.
  void Finish() {
    for (uint32_t session = 0; session < kSessions; ++session) {
      EndRest(session, false);
      while (naive_[session].Reading() != nullptr) End(session);
      Compare();
      RC_ASSERT(!reads_->Forget(NameOf(session)));
    }
  }

 private:
  void Want(uint32_t session, uint32_t number) {
    std::vector<NaiveReads::Text> wanted(1 + number % 2);
    std::deque<AheadReads::Text> texts;
    for (NaiveReads::Text& text : wanted) {
      number /= 2;
      text.number = ++last_text_;
      text.letters = LettersOf(number);
      text.pin = number / 16 % 2 * 60;
      // Who began before a purge may end after it.
      text.generation = generations_[session % kTenants] - number / 32 % 2;
      number /= 64;
      GenerationRequest request;
      request.prompt = TokensOf(text.letters);
      request.max_tokens = 0;
      request.tenant = TenantOf(session);
      request.pin_seconds = text.pin;
      request.pin_group = text.number;
      texts.push_back({.request = std::move(request), .generation = text.generation});
    }
    naive_[session].Want(wanted, reads_->next);
    reads_->Want(engine_, NameOf(session), std::move(texts));
  }

  void End(uint32_t session) {
    const NaiveReads::Text* reading = naive_[session].Reading();
    if (reading == nullptr) return;
    const uint64_t id = IdOf(*reading);
    naive_[session].End(reads_->next);
    reads_->End(id);
  }

  void Rest(uint32_t session, uint32_t number) {
    if (naive_[session].rests()) return;
    const Letters prompt = LettersOf(number);
    const bool anew = number / 16 % 2 == 1;
    naive_[session].Rest(prompt, anew);
    rests_[session] = reads_->MakeWay(NameOf(session), TokensOf(prompt), anew);
  }

  void EndRest(uint32_t session, bool answered) {
    if (!naive_[session].rests()) return;
    naive_[session].EndRest(answered, reads_->next);
    if (answered) rests_[session].Answered();
    rests_[session] = {};
  }

  void Forget(uint32_t session) {
    const bool forgot = reads_->Forget(NameOf(session));
    RC_ASSERT(naive_[session].Forget() == forgot);
  }

  void Purge(uint32_t tenant, uint32_t number) {
    const uint64_t generation = generations_[tenant] += number % 2;
    reads_->ForgetOthers({{TenantOf(tenant), generation}});
    for (uint32_t session = tenant; session < kSessions; session += kTenants) {
      naive_[session].ForgetOthers(generation);
    }
  }

  uint64_t IdOf(const NaiveReads::Text& text) const {
    const auto found = std::ranges::find_if(reads_->reads, [&](const auto& read) {
      return read.second.request.pin_group == text.number;
    });
    RC_ASSERT(found != reads_->reads.end());
    return found->first;
  }

  void Compare() {
    reads_->CheckInvariants();
    size_t read = 0;
    for (NaiveReads& naive : naive_) {
      const NaiveReads::Text* text = naive.Reading();
      if (text == nullptr) continue;
      ++read;
      const PlayedReads::Read& begun = reads_->reads.at(IdOf(*text));
      RC_ASSERT(begun.request.prompt == TokensOf(text->letters));
      RC_ASSERT(begun.request.pin_seconds == text->pin_taken);
      RC_ASSERT(begun.is_cancelled == text->is_stopped);
    }
    RC_ASSERT(reads_->reads.size() == read);
  }

  Engine& engine_;
  const std::shared_ptr<PlayedReads> reads_ = std::make_shared<PlayedReads>();
  std::array<NaiveReads, kSessions> naive_;
  std::array<AheadReads::Rest, kSessions> rests_;
  std::array<uint64_t, kTenants> generations_{1, 1};
  uint64_t last_text_ = 0;
};

TEST(AheadReads, EqualsANaiveModelUnderRandomOperations) {
  setenv("RC_PARAMS", "seed=1 max_success=1000", 0);
  const auto engine = test::MakeEngine();  // is asked for nothing
  EXPECT_TRUE(rc::check([&] {
    const auto codes = *rc::gen::resize(
        1000, rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange(0u, 1u << 26)));
    Twins twins(*engine);
    for (const uint32_t code : codes) twins.Step(code);
    twins.Finish();
  }));
}

}  // namespace
}  // namespace quire
