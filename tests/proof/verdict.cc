// Each check on its own; what nobody answered may be or not be.
#include "tests/proof/verdict.h"

#include <algorithm>
#include <optional>
#include <set>

#include "common/strings.h"
#include "tests/proof/linearizable.h"

namespace apk::proof {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;

bool Writes(const Operation& operation) {
  return operation.kind == Kind::kPut || operation.kind == Kind::kCreate ||
         operation.kind == Kind::kReplace;
}

// Of all objects: what may have been written without anybody having been told so.
struct Unanswered {
  std::set<Value> values;
  std::set<std::string> removed;  // Objects.
};

Unanswered UnansweredIn(const Record& record) {
  Unanswered unanswered;
  for (const auto& [name, history] : record.histories) {
    for (const Operation& operation : history) {
      if (operation.outcome != Outcome::kUnknown) continue;
      if (Writes(operation)) unanswered.values.insert(operation.value);
      if (operation.value == kAbsent) unanswered.removed.insert(name);
    }
  }
  return unanswered;
}

void CheckTime(const Record& record, std::vector<std::string>& faults) {
  std::vector<Told> by_call = record.told;
  std::vector<Told> by_end = record.told;
  std::sort(by_call.begin(), by_call.end(),
            [](const Told& a, const Told& b) { return a.call < b.call; });
  std::sort(by_end.begin(), by_end.end(),
            [](const Told& a, const Told& b) { return a.end < b.end; });
  uint64_t newest = 0;
  auto ended = by_end.begin();
  for (const Told& told : by_call) {
    for (; ended != by_end.end() && ended->end < told.call; ++ended) {
      newest = std::max(newest, ended->revision);
    }
    if (told.written ? told.revision > newest : told.revision >= newest) continue;
    faults.push_back(Concat("revision ", std::to_string(told.revision), " was ",
                            told.written ? "written" : "read", " after revision ",
                            std::to_string(newest), " had been told"));
  }
}

// By revision. Two writes of one revision are a fault, but where they are of one apply.
using Writings = std::map<uint64_t, Value>;

Writings WritingsOf(const std::string& name, const std::vector<Sighting>& sightings,
                    std::vector<std::string>& faults) {
  Writings writings;
  for (const Sighting& sighting : sightings) {
    if (!sighting.written) continue;
    const auto [known, is_new] = writings.emplace(sighting.revision, sighting.value);
    if (!is_new) {
      faults.push_back(
          Concat(name, ": two changes are revision ", std::to_string(sighting.revision)));
    }
  }
  return writings;
}

void CheckReads(const std::string& name, const std::vector<Sighting>& sightings,
                const Writings& writings, const Unanswered& unanswered,
                std::vector<std::string>& faults) {
  for (const Sighting& sighting : sightings) {
    if (sighting.written) continue;
    const auto after = writings.upper_bound(sighting.revision);
    const bool any = after != writings.begin();
    const uint64_t revision = any ? std::prev(after)->first : 0;
    if (sighting.value == (any ? std::prev(after)->second : kAbsent)) continue;
    const bool later = sighting.version > revision && sighting.version <= sighting.revision;
    const bool explained = sighting.value == kAbsent
                               ? unanswered.removed.contains(name)
                               : later && unanswered.values.contains(sighting.value);
    if (explained) continue;
    faults.push_back(Concat(name, " at revision ", std::to_string(sighting.revision),
                            " was read as ", std::to_string(sighting.value), " of version ",
                            std::to_string(sighting.version), ", but revision ",
                            std::to_string(revision), " was the last to write it"));
  }
}

class SpanCheck {
 public:
  SpanCheck(const std::map<std::string, Writings>& writings, const Unanswered& unanswered,
            std::vector<std::string>& faults)
      : writings_(writings), unanswered_(unanswered), faults_(faults) {}

  void Check(const WatchedSpan& span) {
    std::map<std::pair<uint64_t, std::string>, Value> told;
    uint64_t before = span.after;
    for (const Event& event : span.events) {
      if (event.revision < before || event.revision == span.after) {
        faults_.push_back(Concat("a watch told of revision ", std::to_string(event.revision),
                                 " after revision ", std::to_string(before)));
      }
      before = event.revision;
      if (!told.emplace(std::pair(event.revision, event.name), event.value).second) {
        faults_.push_back(Concat("a watch told twice of ", event.name, " at revision ",
                                 std::to_string(event.revision)));
      }
      CheckEvent(event);
    }
    for (const auto& [name, writings] : writings_) {
      for (auto at = writings.upper_bound(span.after);
           at != writings.end() && at->first <= span.through; ++at) {
        if (told.contains({at->first, name})) continue;
        faults_.push_back(Concat(
            "a watch left out ", name, " at revision ", std::to_string(at->first), ", between ",
            std::to_string(span.after), " and ", std::to_string(span.through)));
      }
    }
  }

 private:
  void CheckEvent(const Event& event) {
    const auto object = writings_.find(event.name);
    const bool known = object != writings_.end() && object->second.contains(event.revision);
    const bool right = known ? object->second.at(event.revision) == event.value
                             : (event.deleted ? unanswered_.removed.contains(event.name)
                                              : unanswered_.values.contains(event.value));
    if (right) return;
    faults_.push_back(Concat("a watch told that ", event.name, " is ", std::to_string(event.value),
                             " at revision ", std::to_string(event.revision),
                             ", which nobody wrote"));
  }

  const std::map<std::string, Writings>& writings_;
  const Unanswered& unanswered_;
  std::vector<std::string>& faults_;
};

}  // namespace

std::vector<std::string> FaultsOf(const Record& record) {
  std::vector<std::string> faults = record.faults;
  for (const auto& [name, history] : record.histories) {
    const std::string why = WhyNotLinearizable(history);
    if (!why.empty()) faults.push_back(Concat(name, " is not linearizable: ", why));
  }
  CheckTime(record, faults);
  const Unanswered unanswered = UnansweredIn(record);
  std::map<std::string, Writings> writings;
  for (const auto& [name, sightings] : record.sightings) {
    writings[name] = WritingsOf(name, sightings, faults);
    CheckReads(name, sightings, writings[name], unanswered, faults);
  }
  SpanCheck spans(writings, unanswered, faults);
  for (const WatchedSpan& span : record.spans) spans.Check(span);
  return faults;
}

}  // namespace apk::proof
