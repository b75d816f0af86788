// The checker against all orders of small histories, and against seeded faults in long ones.
#include "tests/proof/linearizable.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace apk::proof {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;

// Tries to place each operation next that may be, as the definition says and no cleverer.
bool Explained(const History& history, std::vector<bool>& placed, Value value) {
  uint64_t first_end = Operation::kNever;
  for (size_t i = 0; i < history.size(); ++i) {
    if (!placed[i]) first_end = std::min(first_end, history[i].end);
  }
  if (first_end == Operation::kNever) return true;  // What is left may never have happened.
  for (size_t i = 0; i < history.size(); ++i) {
    if (placed[i] || history[i].call > first_end) continue;
    const std::optional<Value> after = Step(value, history[i]);
    if (!after.has_value()) continue;
    placed[i] = true;
    if (Explained(history, placed, *after)) return true;
    placed[i] = false;
  }
  return false;
}

bool HasOrder(const History& history) {
  std::vector<bool> placed(history.size());
  return Explained(history, placed, kAbsent);
}

// Anything, however impossible.
History AnyHistory(std::mt19937& random) {
  const auto draw = [&random](int count) {
    return static_cast<int>(random() % static_cast<unsigned>(count));
  };
  History history(static_cast<size_t>(2 + draw(6)));
  std::vector<uint64_t> times(2 * history.size());
  for (size_t i = 0; i < times.size(); ++i) times[i] = i;
  // Neighbours change places: many overlap, none for long.
  for (int i = 0; i < 12; ++i) {
    const auto at = static_cast<size_t>(draw(static_cast<int>(times.size()) - 1));
    std::swap(times[at], times[at + 1]);
  }
  Value next = 1;
  for (size_t i = 0; i < history.size(); ++i) {
    Operation& operation = history[i];
    operation.kind = static_cast<Kind>(draw(6));
    operation.call = std::min(times[2 * i], times[2 * i + 1]);
    operation.end = std::max(times[2 * i], times[2 * i + 1]);
    operation.expected = 1 + draw(3);
    const bool writes = operation.kind == Kind::kPut || operation.kind == Kind::kCreate ||
                        operation.kind == Kind::kReplace;
    operation.value = writes ? next++ : draw(4);
    if (operation.kind == Kind::kRead) continue;
    const int outcome = draw(4);
    if (outcome == 0) {
      operation.outcome = Outcome::kUnknown;
      operation.end = Operation::kNever;
    } else if (outcome == 1 && operation.kind != Kind::kPut) {
      operation.outcome = Outcome::kRefused;
    }
  }
  return history;
}

TEST(Linearizable, SaysTheSameAsTryingAllOrders) {
  std::mt19937 random(7);
  int good = 0;
  constexpr int kHistories = 20'000;
  for (int i = 0; i < kHistories; ++i) {
    const History history = AnyHistory(random);
    const bool expected = HasOrder(history);
    good += expected ? 1 : 0;
    const std::string why = WhyNotLinearizable(history);
    std::string text;
    for (const Operation& operation : history) text += operation.ToString() + "\n";
    ASSERT_EQ(why.empty(), expected) << text << why;
  }
  EXPECT_GT(good, kHistories / 20);
  EXPECT_LT(good, kHistories / 2);
}

// What clients see of an object that behaves: each operation happens at one moment between its call
// and its end.
History GoodHistory(uint32_t seed, size_t size) {
  std::mt19937 random(seed);
  constexpr size_t kClients = 8;
  struct Client {
    enum { kIdle, kCalled, kHappened } step = kIdle;
    size_t operation = 0;
    Value seen = kAbsent;
  };
  std::vector<Client> clients(kClients);
  History history;
  uint64_t now = 0;
  Value value = kAbsent;
  Value next = 1;
  for (;;) {
    const size_t number = random() % kClients;
    Client& client = clients[number];
    ++now;
    if (client.step == Client::kIdle) {
      if (history.size() == size) break;
      client.operation = history.size();
      Operation& operation = history.emplace_back();
      operation.kind = static_cast<Kind>(random() % 6);
      operation.client = static_cast<int>(number);
      operation.call = now;
      operation.expected = client.seen;
      if (operation.kind == Kind::kPut || operation.kind == Kind::kCreate ||
          operation.kind == Kind::kReplace) {
        operation.value = next++;
      }
      client.step = Client::kCalled;
      continue;
    }
    Operation& operation = history[client.operation];
    if (client.step == Client::kHappened) {
      operation.end = now;
      client.step = Client::kIdle;
      continue;
    }
    const bool lost = operation.kind != Kind::kRead && random() % 20 == 0;
    const bool happens = !lost || random() % 2 == 0;
    if (operation.kind == Kind::kRead) operation.value = value;
    const std::optional<Value> after = happens ? Step(value, operation) : value;
    if (!after.has_value()) operation.outcome = Outcome::kRefused;
    if (lost) operation.outcome = Outcome::kUnknown;
    value = after.value_or(value);
    client.seen = value;
    client.step = lost ? Client::kIdle : Client::kHappened;
  }
  for (Client& client : clients) {
    if (client.step != Client::kHappened) continue;
    history[client.operation].end = ++now;
    client.step = Client::kIdle;
  }
  std::erase_if(history, [](const Operation& operation) {
    return operation.end == Operation::kNever && operation.kind == Kind::kRead;
  });
  for (Operation& operation : history) {
    if (operation.end == Operation::kNever) operation.outcome = Outcome::kUnknown;
  }
  return history;
}

TEST(Linearizable, FindsTheOrderOfLongHistories) {
  for (uint32_t seed = 0; seed < 10; ++seed) {
    EXPECT_EQ(WhyNotLinearizable(GoodHistory(seed, 2000)), "") << "seed " << seed;
  }
}

// Of an object that answers one read with what was there before the write before it.
TEST(Linearizable, FindsAStaleRead) {
  int faults = 0;
  for (uint32_t seed = 0; seed < 5; ++seed) {
    History history = GoodHistory(seed, 500);
    // A read of what was overwritten by a write that was over before the read began, and was not
    // unknown: nothing writes it again.
    for (size_t i = 250; i < history.size(); ++i) {
      if (history[i].kind != Kind::kRead) continue;
      const Operation* newest = nullptr;
      for (const Operation& operation : history) {
        const bool put = operation.kind == Kind::kPut && operation.outcome == Outcome::kDone;
        if (put && operation.end < history[i].call) newest = &operation;
      }
      const Operation* older = nullptr;
      for (const Operation& operation : history) {
        const bool put = operation.kind == Kind::kPut && operation.outcome == Outcome::kDone;
        if (newest != nullptr && put && operation.end < newest->call) older = &operation;
      }
      if (older == nullptr) continue;
      history[i].value = older->value;
      ++faults;
      EXPECT_NE(WhyNotLinearizable(history), "") << "seed " << seed;
      break;
    }
  }
  EXPECT_EQ(faults, 5);
}

Operation Make(Kind kind, Value expected, Value value, uint64_t call, uint64_t end,
               Outcome outcome = Outcome::kDone) {
  Operation operation;
  operation.kind = kind;
  operation.outcome = outcome;
  operation.expected = expected;
  operation.value = value;
  operation.call = call;
  operation.end = end;
  return operation;
}

TEST(Linearizable, FindsAWriteThatWasAcknowledgedAndLost) {
  EXPECT_NE(WhyNotLinearizable({Make(Kind::kPut, 0, 1, 1, 2), Make(Kind::kRead, 0, 0, 3, 4)}), "");
  EXPECT_EQ(WhyNotLinearizable({Make(Kind::kPut, 0, 1, 1, 3), Make(Kind::kRead, 0, 0, 2, 4)}), "");
}

TEST(Linearizable, FindsTwoReplacementsOfTheSame) {
  EXPECT_NE(WhyNotLinearizable({Make(Kind::kCreate, 0, 1, 1, 2), Make(Kind::kReplace, 1, 2, 3, 6),
                                Make(Kind::kReplace, 1, 3, 4, 5)}),
            "");
}

TEST(Linearizable, FindsAnObjectThatComesBack) {
  EXPECT_NE(WhyNotLinearizable({Make(Kind::kPut, 0, 1, 1, 2), Make(Kind::kRemove, 0, 0, 3, 4),
                                Make(Kind::kRead, 0, 1, 5, 6)}),
            "");
}

TEST(Linearizable, AnUnansweredWriteMayHappenLateOrNever) {
  const Operation lost = Make(Kind::kPut, 0, 1, 1, Operation::kNever, Outcome::kUnknown);
  const Operation other = Make(Kind::kPut, 0, 2, 2, 3);
  EXPECT_EQ(WhyNotLinearizable({lost, other, Make(Kind::kRead, 0, 2, 4, 5)}), "");
  EXPECT_EQ(WhyNotLinearizable({lost, other, Make(Kind::kRead, 0, 1, 4, 5)}), "");
  // But once.
  EXPECT_NE(WhyNotLinearizable({lost, other, Make(Kind::kRead, 0, 1, 4, 5),
                                Make(Kind::kPut, 0, 3, 6, 7), Make(Kind::kRead, 0, 1, 8, 9)}),
            "");
}

}  // namespace
}  // namespace apk::proof
