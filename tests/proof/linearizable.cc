// Two things keep the search short. What it has tried is remembered as a sum of random words, one
// for each operation that is placed. And an operation of unknown outcome is placed only right
// before one that could not have been answered as it was without it: since it may happen at any
// time after its call, it can always be moved to there, or be left out.
#include "tests/proof/linearizable.h"

#include <algorithm>
#include <random>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/strings.h"

namespace apk::proof {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;

// Then it gives up.
constexpr size_t kStepsMax = 5'000'000;

const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kRead:
      return "read";
    case Kind::kPut:
      return "put";
    case Kind::kCreate:
      return "create";
    case Kind::kReplace:
      return "replace";
    case Kind::kRemove:
      return "remove";
    case Kind::kRemoveIf:
      return "remove-if";
  }
  return "";
}

// Calls and returns in the order of time, as a list from which what is placed is taken out.
struct Event {
  size_t operation = 0;
  bool is_call = false;
  uint64_t at = 0;
  Event* previous = nullptr;
  Event* next = nullptr;

  void TakeOut() {
    previous->next = next;
    if (next != nullptr) next->previous = previous;
  }
  void PutBack() {
    previous->next = this;
    if (next != nullptr) next->previous = this;
  }
};

struct Digest {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const Digest&) const = default;
};
struct DigestHash {
  size_t operator()(const Digest& digest) const { return digest.low; }
};

class Search {
 public:
  explicit Search(const History& history);
  std::string Run();

 private:
  // What of unknown outcome comes right before an operation, in order.
  using Chain = std::vector<size_t>;
  struct Placed {
    Event* call = nullptr;
    std::vector<Chain> ways;  // That were not tried yet.
    Chain chain;
    Value before = kAbsent;
  };

  bool Place(Event* call);
  bool LeavesNobodyBehind(const Operation& operation, const Chain& chain) const;
  bool PlaceIn(Event* call, std::vector<Chain> ways);
  Event* TakeBack();
  std::vector<Chain> WaysTo(Event* call);
  void ExtendToHold(const Operation& operation, uint64_t before_time, Chain& later,
                    std::vector<Chain>& ways);
  void Toggle(size_t operation) {
    digest_.high ^= words_[operation].high;
    digest_.low ^= words_[operation].low;
  }

  const History& history_;
  std::vector<size_t> unknown_;  // In the order of calls.
  std::vector<bool> used_;
  std::vector<Event> events_;
  std::vector<Event*> returns_;  // By operation.
  Event head_;
  std::vector<Digest> words_;
  Digest digest_;
  std::unordered_set<Digest, DigestHash> been_;
  std::vector<Placed> placed_;
  Value value_ = kAbsent;
  std::unordered_map<Value, int> awaited_;  // By how many that are not placed yet.
  std::unordered_set<Value> named_;         // By anybody but who writes it.
};

// The value that must be there, absence aside.
std::optional<Value> Found(const Operation& operation) {
  if (operation.outcome != Outcome::kDone) return std::nullopt;
  Value found = kAbsent;
  if (operation.kind == Kind::kRead) found = operation.value;
  if (operation.kind == Kind::kReplace || operation.kind == Kind::kRemoveIf) {
    found = operation.expected;
  }
  return found == kAbsent ? std::nullopt : std::optional(found);
}

Search::Search(const History& history) : history_(history), used_(history.size()) {
  std::mt19937_64 random(1);
  words_.resize(history.size());
  for (Digest& word : words_) word = {.high = random(), .low = random()};
  for (size_t i = 0; i < history.size(); ++i) {
    named_.insert(history[i].expected);
    if (history[i].kind == Kind::kRead) named_.insert(history[i].value);
    if (const std::optional<Value> found = Found(history[i])) ++awaited_[*found];
    if (history[i].outcome == Outcome::kUnknown) {
      unknown_.push_back(i);
      continue;
    }
    events_.push_back({.operation = i, .is_call = true, .at = history[i].call});
    events_.push_back({.operation = i, .is_call = false, .at = history[i].end});
  }
  std::sort(unknown_.begin(), unknown_.end(),
            [&](size_t a, size_t b) { return history[a].call < history[b].call; });
  std::sort(events_.begin(), events_.end(),
            [](const Event& a, const Event& b) { return a.at < b.at; });
  returns_.resize(history.size());
  Event* last = &head_;
  for (Event& event : events_) {
    last->next = &event;
    event.previous = last;
    last = &event;
    if (!event.is_call) returns_[event.operation] = &event;
  }
}

// The shortest chains after which the operation can be answered as it was. `later` is what follows
// them, the last first.
void Search::ExtendToHold(const Operation& operation, uint64_t before_time, Chain& later,
                          std::vector<Chain>& ways) {
  if (Step(value_, operation).has_value()) {
    ways.emplace_back(later.rbegin(), later.rend());
    return;
  }
  // One that removes whatever is there is as good as another, and so is one that writes what nobody
  // names.
  bool removes = false;
  bool writes_unnamed = false;
  for (const size_t number : unknown_) {
    const Operation& other = history_[number];
    if (other.call > before_time) return;
    const bool any = other.kind == Kind::kRemove;
    const bool unnamed = other.kind == Kind::kPut && !named_.contains(other.value);
    if (used_[number] || (any && removes) || (unnamed && writes_unnamed)) continue;
    const bool writes =
        other.kind == Kind::kPut || other.kind == Kind::kCreate || other.kind == Kind::kReplace;
    if (!Step(writes ? other.value : kAbsent, operation).has_value()) continue;
    removes = removes || any;
    writes_unnamed = writes_unnamed || unnamed;
    used_[number] = true;
    later.push_back(number);
    ExtendToHold(other, before_time, later, ways);
    later.pop_back();
    used_[number] = false;
  }
}

// The last is to be tried first.
std::vector<Search::Chain> Search::WaysTo(Event* call) {
  const Event* first_return = call;
  while (first_return->is_call) first_return = first_return->next;
  std::vector<Chain> ways;
  Chain later;
  ExtendToHold(history_[call->operation], first_return->at, later, ways);
  return ways;
}

// REQUIRES: the operation is not counted as one that waits.
bool Search::LeavesNobodyBehind(const Operation& operation, const Chain& chain) const {
  Value value = value_;
  const auto leaves = [&](const Operation& next) {
    const Value before = std::exchange(value, *Step(value, next));
    if (before == value || before == kAbsent) return false;
    const auto waiting = awaited_.find(before);
    return waiting != awaited_.end() && waiting->second > 0;
  };
  for (const size_t other : chain) {
    if (leaves(history_[other])) return false;
  }
  return !leaves(operation);
}

// False where that leads nowhere, or to where the search has been.
bool Search::Place(Event* call) { return PlaceIn(call, WaysTo(call)); }

bool Search::PlaceIn(Event* call, std::vector<Chain> ways) {
  const std::optional<Value> found = Found(history_[call->operation]);
  if (found.has_value()) --awaited_[*found];
  for (; !ways.empty(); ways.pop_back()) {
    const Chain& chain = ways.back();
    if (!LeavesNobodyBehind(history_[call->operation], chain)) continue;
    Value value = value_;
    const Digest before = digest_;
    for (const size_t other : chain) {
      value = *Step(value, history_[other]);
      Toggle(other);
    }
    value = *Step(value, history_[call->operation]);
    Toggle(call->operation);
    Digest here = digest_;
    here.low += static_cast<uint64_t>(value) * 0x9e3779b97f4a7c15ULL;
    if (!been_.insert(here).second) {
      digest_ = before;
      continue;
    }
    for (const size_t other : chain) used_[other] = true;
    Placed placed{.call = call, .ways = {}, .chain = chain, .before = value_};
    ways.pop_back();
    placed.ways = std::move(ways);
    placed_.push_back(std::move(placed));
    value_ = value;
    call->TakeOut();
    returns_[call->operation]->TakeOut();
    return true;
  }
  if (found.has_value()) ++awaited_[*found];
  return false;
}

// Where the search goes on.
Event* Search::TakeBack() {
  if (placed_.empty()) return nullptr;
  Placed last = std::move(placed_.back());
  placed_.pop_back();
  returns_[last.call->operation]->PutBack();
  last.call->PutBack();
  value_ = last.before;
  if (const auto found = Found(history_[last.call->operation])) ++awaited_[*found];
  Toggle(last.call->operation);
  for (const size_t other : last.chain) {
    Toggle(other);
    used_[other] = false;
  }
  return PlaceIn(last.call, std::move(last.ways)) ? head_.next : last.call->next;
}

std::string Search::Run() {
  size_t longest = 0;
  std::string stuck;
  Event* event = head_.next;
  while (event != nullptr) {
    if (event->is_call) {
      event = Place(event) ? head_.next : event->next;
      continue;
    }
    if (been_.size() > kStepsMax) {
      return Concat("no order was found in ", std::to_string(kStepsMax), " steps: ", stuck);
    }
    if (placed_.size() >= longest) {
      longest = placed_.size();
      stuck = Concat("after ", std::to_string(longest), " operations the object is ",
                     std::to_string(value_), ", and no order explains ",
                     history_[event->operation].ToString());
    }
    event = TakeBack();
    if (event == nullptr) return stuck;
  }
  return "";
}

}  // namespace

std::string Operation::ToString() const {
  return Concat(NameOf(kind), " [", std::to_string(call), ", ",
                end == kNever ? "never" : std::to_string(end), "] of client ",
                std::to_string(client), ": ", std::to_string(expected), " -> ",
                std::to_string(value),
                outcome == Outcome::kDone      ? " done"
                : outcome == Outcome::kRefused ? " refused"
                                               : " unknown");
}

std::optional<Value> Step(Value before, const Operation& operation) {
  const bool refused = operation.outcome == Outcome::kRefused;
  const auto only_if = [&](bool holds, Value after) -> std::optional<Value> {
    if (refused) return holds ? std::nullopt : std::optional(before);
    return holds ? std::optional(after) : std::nullopt;
  };
  switch (operation.kind) {
    case Kind::kRead:
      return only_if(before == operation.value, before);
    case Kind::kPut:
      return only_if(true, operation.value);
    case Kind::kCreate:
      return only_if(before == kAbsent, operation.value);
    case Kind::kReplace:
      return only_if(before == operation.expected, operation.value);
    case Kind::kRemove:
      return only_if(before != kAbsent, kAbsent);
    case Kind::kRemoveIf:
      return only_if(before == operation.expected && before != kAbsent, kAbsent);
  }
  return std::nullopt;
}

std::string WhyNotLinearizable(const History& history) { return Search(history).Run(); }

}  // namespace apk::proof
