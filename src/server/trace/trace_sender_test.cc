#include "server/trace/trace_sender.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

namespace quire {
namespace {

using std::chrono::milliseconds;

// A collector that answers as it is told, then with 200.
class FakeWire final : public TraceWire {
 public:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::optional<HttpAnswer>> answers;  // nullopt: none comes
    std::vector<std::string> bodies;
    bool holding = false;  // no answer before this is over
    bool stopped = false;

    void WaitForBodies(size_t count) {
      std::unique_lock lock(mutex);
      ASSERT_TRUE(
          changed.wait_for(lock, std::chrono::seconds(30), [&] { return bodies.size() >= count; }));
    }
    void Hold(bool wanted) {
      const std::lock_guard lock(mutex);
      holding = wanted;
      changed.notify_all();
    }
  };

  explicit FakeWire(std::shared_ptr<State> state) : state_(std::move(state)) {}

  Result<HttpAnswer> Post(std::string_view body, milliseconds) override {
    std::unique_lock lock(state_->mutex);
    state_->bodies.emplace_back(body);
    state_->changed.notify_all();
    state_->changed.wait(lock, [this] { return !state_->holding || state_->stopped; });
    if (state_->stopped) return Refuse(ErrorCode::kIo, "stopped");
    if (state_->answers.empty()) return HttpAnswer{200, "{}"};
    const auto answer = state_->answers.front();
    state_->answers.pop_front();
    if (!answer) return Refuse(ErrorCode::kIo, "nobody there");
    return *answer;
  }

  void Stop() override {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
    state_->changed.notify_all();
  }

 private:
  const std::shared_ptr<State> state_;
};

RequestTrace Trace(const std::string& id) {
  RequestTrace trace;
  trace.context = BeginTrace("", 1);
  trace.row.request_id = id;
  trace.row.api = "completions";
  return trace;
}

struct Stage {
  TraceSender::Options Quick() {
    TraceSender::Options options;
    options.gather = milliseconds(1);
    options.first_pause = milliseconds(1);
    options.longest_pause = milliseconds(4);
    options.last_words = milliseconds(2000);
    options.log = [this](std::string_view) { ++lines; };
    return options;
  }
  std::unique_ptr<TraceSender> Make(TraceSender::Options options) {
    return std::make_unique<TraceSender>(std::make_unique<FakeWire>(state), std::move(options));
  }
  static void WaitFor(const TraceSender& sender, uint64_t traces) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (sender.counts().sent + sender.counts().dropped() < traces) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up);
      std::this_thread::yield();
    }
  }

  std::atomic<int> lines = 0;
  std::shared_ptr<FakeWire::State> state = std::make_shared<FakeWire::State>();
};

size_t SpansIn(const std::string& body) {
  return nlohmann::json::parse(body)["resourceSpans"][0]["scopeSpans"][0]["spans"].size();
}

TEST(TraceSender, SendsTogether) {
  Stage stage;
  auto options = stage.Quick();
  options.gather = std::chrono::hours(1);
  options.batch_traces = 5;
  const auto sender = stage.Make(options);
  for (int i = 0; i < 5; ++i) sender->Add(Trace("r" + std::to_string(i)));
  Stage::WaitFor(*sender, 5);
  EXPECT_EQ(sender->counts().sent, 5u);
  ASSERT_EQ(stage.state->bodies.size(), 1u);
  EXPECT_EQ(SpansIn(stage.state->bodies[0]), 5u);
  EXPECT_EQ(stage.lines, 0);
}

TEST(TraceSender, ABatchHasABound) {
  Stage stage;
  auto options = stage.Quick();
  options.gather = milliseconds(200);
  options.batch_bytes = 3 * Trace("r").bytes();
  const auto sender = stage.Make(options);
  for (int i = 0; i < 5; ++i) sender->Add(Trace("r"));
  Stage::WaitFor(*sender, 5);
  EXPECT_EQ(sender->counts().sent, 5u);
  EXPECT_EQ(SpansIn(stage.state->bodies.at(0)), 3u);
  EXPECT_EQ(SpansIn(stage.state->bodies.at(1)), 2u);
}

TEST(TraceSender, TriesAgainWhenAskedTo) {
  for (const long status : {429L, 502L, 503L, 504L}) {
    Stage stage;
    stage.state->answers = {HttpAnswer{status, "", 86400}, std::nullopt, HttpAnswer{status, ""}};
    const auto sender = stage.Make(stage.Quick());
    sender->Add(Trace("r"));
    Stage::WaitFor(*sender, 1);
    EXPECT_EQ(sender->counts().sent, 1u);
    ASSERT_EQ(stage.state->bodies.size(), 4u);
    EXPECT_EQ(stage.state->bodies[0], stage.state->bodies[3]);
    EXPECT_EQ(stage.lines, 2) << "that it fails, and that it works again";
  }
}

TEST(TraceSender, WaitsAsLongAsTheCollectorAsks) {
  Stage stage;
  stage.state->answers = {HttpAnswer{503, "", 1}};
  auto options = stage.Quick();
  options.longest_pause = std::chrono::seconds(30);
  const auto sender = stage.Make(options);
  const auto begin = std::chrono::steady_clock::now();
  sender->Add(Trace("r"));
  Stage::WaitFor(*sender, 1);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  EXPECT_EQ(sender->counts().sent, 1u);
}

TEST(TraceSender, GivesUpAndGoesOn) {
  Stage stage;
  stage.state->answers.assign(6, std::nullopt);  // four tries of the first, one of the next two
  const auto sender = stage.Make(stage.Quick());
  for (uint64_t i = 1; i <= 4; ++i) {
    sender->Add(Trace("r"));
    Stage::WaitFor(*sender, i);
  }
  EXPECT_EQ(sender->counts().unreachable, 3u);
  EXPECT_EQ(sender->counts().sent, 1u);
  EXPECT_EQ(stage.state->bodies.size(), 7u);
}

TEST(TraceSender, DropsWhatIsRefused) {
  for (const long status : {301L, 400L, 404L, 500L}) {
    Stage stage;
    stage.state->answers = {HttpAnswer{status, "no"}};
    const auto sender = stage.Make(stage.Quick());
    sender->Add(Trace("r"));
    Stage::WaitFor(*sender, 1);
    EXPECT_EQ(sender->counts().refused, 1u) << status;
    EXPECT_EQ(stage.state->bodies.size(), 1u) << status;
  }
  Stage stage;
  stage.state->answers = {HttpAnswer{200, R"({"partialSuccess": {"rejectedSpans": "1"}})"}};
  auto options = stage.Quick();
  options.gather = milliseconds(200);
  const auto sender = stage.Make(options);
  sender->Add(Trace("a"));
  sender->Add(Trace("b"));
  Stage::WaitFor(*sender, 2);
  EXPECT_EQ(sender->counts().refused, 1u);
  EXPECT_EQ(sender->counts().sent, 1u);
}

// A collector that never answers holds up nobody, and costs no more than the queue.
TEST(TraceSender, TheQueueHasABound) {
  Stage stage;
  stage.state->Hold(true);
  auto options = stage.Quick();
  options.batch_traces = 1;
  options.queue_bytes = 10 * Trace("r").bytes();
  const auto sender = stage.Make(options);
  sender->Add(Trace("r"));
  stage.state->WaitForBodies(1);
  for (int i = 0; i < 1000; ++i) sender->Add(Trace("r"));
  EXPECT_EQ(sender->counts().queued, 10u);
  EXPECT_EQ(sender->counts().queue_full, 990u);
  stage.state->Hold(false);
  Stage::WaitFor(*sender, 1001);
  EXPECT_EQ(sender->counts().sent, 11u);
  sender->Add(Trace("r"));
  Stage::WaitFor(*sender, 1002);
  EXPECT_EQ(sender->counts().sent, 12u) << "there is room again";
}

TEST(TraceSender, SendsWhatIsLeftAtTheEnd) {
  Stage stage;
  auto options = stage.Quick();
  options.gather = std::chrono::hours(1);
  auto sender = stage.Make(options);
  for (int i = 0; i < 3; ++i) sender->Add(Trace("r"));
  sender.reset();
  ASSERT_EQ(stage.state->bodies.size(), 1u);
  EXPECT_EQ(SpansIn(stage.state->bodies[0]), 3u);
}

TEST(TraceSender, DoesNotWaitAtTheEnd) {
  Stage stage;
  stage.state->Hold(true);
  auto options = stage.Quick();
  options.last_words = milliseconds(10);
  auto sender = stage.Make(options);
  sender->Add(Trace("r"));
  stage.state->WaitForBodies(1);
  sender.reset();
  EXPECT_TRUE(stage.state->stopped);
}

TEST(TraceSender, CountsWhatNobodyCouldMake) {
  Stage stage;
  const auto sender = stage.Make(stage.Quick());
  sender->Lose();
  EXPECT_EQ(sender->counts().dropped(), 1u);
}

TEST(TraceUrl, IsChecked) {
  EXPECT_EQ(*CheckTraceUrl("http://host:4318"), "http://host:4318/v1/traces");
  EXPECT_EQ(*CheckTraceUrl("http://host:4318/"), "http://host:4318/v1/traces");
  EXPECT_EQ(*CheckTraceUrl("https://host/otlp?a=b"), "https://host/otlp?a=b");
  EXPECT_EQ(*CheckTraceUrl("http://[::1]:4318"), "http://[::1]:4318/v1/traces");
  for (const char* bad : {"", "host:4318", "/v1/traces", "file:///etc/passwd", "http://",
                          "http://user:secret@host", "http://host:99999", "http://a b/"}) {
    EXPECT_FALSE(CheckTraceUrl(bad)) << bad;
  }
}

}  // namespace
}  // namespace quire
