// The operations are those of the model, on ConfigMaps.
#include "tests/proof/workload.h"

#include <thread>

#include "common/strings.h"

namespace apk::proof {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;

constexpr char kKeyLabel[] = "key";
constexpr Value kValuesOfAClient = 1'000'000'000;
constexpr std::chrono::seconds kPatience{30};
// A client stays at a control plane for a while.
constexpr int kStay = 10;

std::string KeyName(int key) { return Concat("key-", std::to_string(key)); }
std::string GroupName(int group) { return Concat("group-", std::to_string(group)); }
std::vector<std::string> NamesIn(int group) {
  std::vector<std::string> names;
  for (int part = 0; part < kGroupSize; ++part) {
    names.push_back(Concat(GroupName(group), "-", std::to_string(part)));
  }
  return names;
}

}  // namespace

Workload::Workload(const WorkloadOptions& options, Record& record)
    : options_(options),
      record_(record),
      random_(static_cast<std::minstd_rand::result_type>(options.seed * 1009 +
                                                         static_cast<uint64_t>(options.client))),
      calls_(options.endpoints, random_()) {}

Value Workload::Next() { return kValuesOfAClient * (options_.client + 1) + ++written_; }

Operation Workload::Begin(Kind kind) {
  Operation operation;
  operation.kind = kind;
  operation.client = options_.client;
  operation.call = record_.Tick();
  began_ = std::chrono::steady_clock::now();
  return operation;
}

bool Workload::End(const std::string& name, Operation operation, const Answer& answer) {
  record_.Count(answer.nothing                        ? "nothing"
                : answer.outcome == Outcome::kDone    ? "done"
                : answer.outcome == Outcome::kRefused ? "refused"
                                                      : "unknown");
  const bool writes = operation.kind != Kind::kRead;
  if (writes && !answer.nothing && answer.outcome == Outcome::kDone) {
    record_.Took(std::chrono::steady_clock::now() - began_);
  }
  if (answer.nothing) {
    calls_.UseAny();
    return false;
  }
  record_.Count("operations");
  operation.outcome = answer.outcome;
  if (answer.outcome == Outcome::kUnknown) {
    calls_.UseAny();
  } else {
    operation.end = record_.Tick();
  }
  record_.Add(name, operation);
  if (answer.outcome == Outcome::kDone && answer.revision != 0) {
    record_.Tell({.call = operation.call,
                  .end = operation.end,
                  .revision = answer.revision,
                  .written = writes});
  }
  return answer.outcome == Outcome::kDone;
}

void Workload::DoOne(Kind kind, const std::string& name) {
  Seen& seen = seen_[name];
  Operation operation = Begin(kind);
  Answer answer;
  const bool conditional = kind == Kind::kReplace || kind == Kind::kRemoveIf;
  if (conditional) operation.expected = seen.value;
  const uint64_t version = conditional ? seen.version : 0;
  if (kind == Kind::kPut || kind == Kind::kCreate || kind == Kind::kReplace) {
    operation.value = Next();
    answer = calls_.Put({name}, operation.value, kKeyLabel, kind == Kind::kCreate, version);
  } else if (kind == Kind::kRead) {
    answer = calls_.Read(name);
    operation.value = answer.objects[name].value;
  } else {
    answer = calls_.Remove(name, version);
  }
  if (!End(name, operation, answer)) return;
  const Seen now = answer.objects[name];
  seen = now;
  if (answer.revision == 0) return;
  record_.See(name, {.written = kind != Kind::kRead,
                     .revision = answer.revision,
                     .version = now.version,
                     .value = now.value});
  const bool puts = operation.kind != Kind::kRead && operation.value != kAbsent;
  if (puts && (now.value != operation.value || now.version != answer.revision)) {
    record_.Fault(Concat(name, ": ", operation.ToString(), ", but the answer has value ",
                         std::to_string(now.value), " of version ", std::to_string(now.version)));
  }
}

void Workload::PutGroup(int group) {
  Operation operation = Begin(Kind::kPut);
  operation.value = Next();
  const Answer answer = calls_.Put(NamesIn(group), operation.value, GroupName(group));
  if (!End(GroupName(group), operation, answer)) return;
  for (const auto& [name, now] : answer.objects) {
    record_.See(
        name,
        {.written = true, .revision = answer.revision, .version = now.version, .value = now.value});
  }
}

bool Workload::ReadGroup(int group) {
  Operation operation = Begin(Kind::kRead);
  const Answer answer = calls_.List(GroupName(group));
  const bool whole = answer.objects.empty() || answer.objects.size() == kGroupSize;
  if (!answer.objects.empty()) operation.value = answer.objects.begin()->second.value;
  bool equal = whole;
  for (const auto& [name, now] : answer.objects) equal = equal && now.value == operation.value;
  if (!equal) {
    record_.Fault(Concat(GroupName(group), " at revision ", std::to_string(answer.revision),
                         ": what is written together is not read together"));
  }
  if (!End(GroupName(group), operation, answer)) return false;
  for (const std::string& name : NamesIn(group)) {
    const auto now = answer.objects.find(name);
    const Seen seen = now == answer.objects.end() ? Seen() : now->second;
    record_.See(name, {.written = false,
                       .revision = answer.revision,
                       .version = seen.version,
                       .value = seen.value});
  }
  return true;
}

// All at one revision: a read of each.
bool Workload::ReadKeys() {
  Operation operation = Begin(Kind::kRead);
  Answer answer = calls_.List(kKeyLabel);
  record_.Count("lists");
  bool done = true;
  for (int key = 0; key < options_.keys; ++key) {
    const std::string name = KeyName(key);
    const auto now = answer.objects.find(name);
    const Seen seen = now == answer.objects.end() ? Seen() : now->second;
    operation.value = seen.value;
    done = End(name, operation, answer);
    if (!done) return false;
    seen_[name] = seen;
    record_.See(name, {.written = false,
                       .revision = answer.revision,
                       .version = seen.version,
                       .value = seen.value});
  }
  return done;
}

void Workload::Once() {
  if (Draw(kStay) == 0) calls_.UseAny();
  const std::string name = KeyName(Draw(options_.keys));
  const bool present = seen_[name].value != kAbsent;
  const int choice = Draw(100);
  if (choice < 35) return DoOne(Kind::kRead, name);
  if (choice < 50) return DoOne(Kind::kPut, name);
  if (choice < 68) return DoOne(present ? Kind::kReplace : Kind::kCreate, name);
  if (choice < 73) return DoOne(Kind::kCreate, name);
  if (choice < 78) return DoOne(Kind::kRemove, name);
  if (choice < 83) return DoOne(present ? Kind::kRemoveIf : Kind::kRead, name);
  if (choice < 91) return PutGroup(Draw(options_.groups));
  if (choice < 98) {
    ReadGroup(Draw(options_.groups));
    return;
  }
  ReadKeys();
}

void Workload::Run(const std::atomic<bool>& stop) {
  while (!stop.load()) Once();
}

bool Workload::ReadAll() {
  for (size_t server = 0; server < calls_.servers(); ++server) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    const auto until_answered = [&](const auto& read) {
      for (;;) {
        calls_.Use(server);
        if (read()) return true;
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    };
    if (!until_answered([&] { return ReadKeys(); })) return false;
    for (int group = 0; group < options_.groups; ++group) {
      if (!until_answered([&] { return ReadGroup(group); })) return false;
    }
  }
  return true;
}

uint64_t Workload::WriteLast() {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    const std::string name = KeyName(0);
    Operation operation = Begin(Kind::kPut);
    operation.value = Next();
    const Answer answer = calls_.Put({name}, operation.value, kKeyLabel);
    if (!End(name, operation, answer)) continue;
    const Seen now = answer.objects.at(name);
    record_.See(
        name,
        {.written = true, .revision = answer.revision, .version = now.version, .value = now.value});
    return answer.revision;
  }
  return 0;
}

}  // namespace apk::proof
